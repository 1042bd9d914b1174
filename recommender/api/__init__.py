"""The API of users, events and recommendations: parse, call one service, render."""
