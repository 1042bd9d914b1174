"""What the API reads and answers; input and output are separate and never write."""
