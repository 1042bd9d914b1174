"""What the terminal shows of the children's logs."""

from __future__ import annotations

from pathlib import Path

from recsite.operations.embedded.terminal import LINES_PER_MINUTE, LogWatch, compact

WARNING = "timestamp='2026-01-02T03:04:05Z' level='warning' event='item_rejected' row=3"
INFO = "timestamp='2026-01-02T03:04:05Z' level='info' event='items_upserted' created=3"


def test_warnings_are_passed_on_once_and_without_their_time(tmp_path: Path) -> None:
    log = tmp_path / "web.log"
    log.write_text(f"{INFO}\n{WARNING}\n")
    watch = LogWatch({"web": log})
    assert watch.new_lines() == ["  web: level='warning' event='item_rejected' row=3"]
    assert watch.new_lines() == []


def test_a_half_written_line_waits_for_its_end(tmp_path: Path) -> None:
    log = tmp_path / "web.log"
    log.write_text(WARNING[:50])
    watch = LogWatch({"web": log})
    assert watch.new_lines() == []
    with log.open("a") as file:
        file.write(WARNING[50:] + "\n")
    assert watch.new_lines() == ["  web: level='warning' event='item_rejected' row=3"]


def test_a_flood_is_cut_to_a_few_lines_a_minute_for_each_log(tmp_path: Path) -> None:
    flooded, calm = tmp_path / "beat.log", tmp_path / "web.log"
    flooded.write_text(f"{WARNING}\n" * 500)
    calm.write_text(f"{WARNING}\n")
    lines = LogWatch({"beat": flooded, "web": calm}).new_lines()
    assert len(lines) == LINES_PER_MINUTE + 1
    assert lines[-1].startswith("  web: ")


def test_a_log_that_is_not_there_yet_is_no_error(tmp_path: Path) -> None:
    assert LogWatch({"web": tmp_path / "web.log"}).new_lines() == []


def test_long_lines_are_cut_to_the_width() -> None:
    assert compact("x" * 500, width=20) == "x" * 19 + "…"
    assert compact("short", width=20) == "short"
