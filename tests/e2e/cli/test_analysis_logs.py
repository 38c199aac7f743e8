"""Analysis logs: what a script has printed is shown, and followed as it goes on."""

import json
import signal

import pytest

from tests.e2e.cli.command import Keyrelay
from tests.installed.consoles import print_lines
from tests.installed.home import Home

FIRST = "2030-01-01T12:00:00.000Z"
SECOND = "2030-01-01T12:00:00.001Z"
WIDTH = " " * len(FIRST)


@pytest.fixture
def boiler(home: Home) -> Home:
    home.create("analysis", {"name": "boiler"})
    return home


def test_lines_are_shown_oldest_first_behind_their_times(boiler: Home) -> None:
    print_lines(boiler, "boiler", "one", "Error:\n\tat main.py")

    shown = boiler.run("analysis", "logs", "boiler")

    assert shown.splitlines() == [
        f"{FIRST}  one",
        f"{SECOND}  Error:",
        f"{WIDTH}          at main.py",
    ]


def test_programs_read_one_array(boiler: Home) -> None:
    before = boiler.read("analysis", "logs", "boiler")
    print_lines(boiler, "boiler", "one", "Error:\n\tat main.py")

    assert before == []
    assert boiler.read("analysis", "logs", "boiler") == [
        {"timestamp": FIRST, "message": "one"},
        {"timestamp": SECOND, "message": "Error:\n\tat main.py"},
    ]


def test_of_a_new_analysis_it_says_that_there_is_nothing(keyrelay: Keyrelay) -> None:
    file = keyrelay.write("boiler.json", {"name": "boiler"})
    keyrelay("analysis", "create", "--file", file)

    said = keyrelay("analysis", "logs", "boiler")
    refused = keyrelay("analysis", "logs", "attic")

    assert (said.code, said.out) == (0, "")
    assert "printed nothing yet" in said.err
    assert (refused.code, refused.is_one_sentence) == (1, True)


def test_what_would_move_the_terminal_is_shown_as_it_is_written(boiler: Home) -> None:
    print_lines(boiler, "boiler", "\x1b[2J\u2066gone\u200b")

    (line,) = boiler.run("analysis", "logs", "boiler").splitlines()

    assert line == f"{FIRST}  \\u{{1b}}[2J\\u{{2066}}gone\\u{{200b}}"


def test_followed_lines_come_as_they_are_printed_until_it_is_interrupted(
    boiler: Home,
) -> None:
    print_lines(boiler, "boiler", "before")
    with boiler.running("analysis", "logs", "boiler", "--follow") as following:
        following.await_said("before")
        print_lines(boiler, "boiler", *[str(n) for n in range(201)])
        following.await_said(f"{FIRST[:-2]}")
        following.await_said("  200")
        following.send(signal.SIGINT)
        code = following.end()

    assert code == 130
    texts = [line.partition("Z  ")[2] for line in following.said if "Z  " in line]
    left_out = "(1 line was left out here)"
    assert texts == ["before", left_out, *[str(n) for n in range(1, 201)]]


def test_followed_by_a_program_each_line_is_an_object(boiler: Home) -> None:
    print_lines(boiler, "boiler", *[f"old {n}" for n in range(300)])
    given = ("analysis", "logs", "boiler", "--follow", "--json")
    with boiler.running(*given) as following:
        following.await_said("old 299")
        print_lines(boiler, "boiler", "new")
        following.await_said("new")
        following.kill()

    # What was gone before it began is not told of.
    told = [json.loads(line)["message"] for line in following.said]
    assert told == [*[f"old {n}" for n in range(100, 300)], "new"]


def test_following_ends_in_a_sentence_once_the_analysis_is_deleted(
    boiler: Home,
) -> None:
    print_lines(boiler, "boiler", "last words")
    with boiler.running("analysis", "logs", "boiler", "--follow") as following:
        following.await_said("last words")
        boiler.run("analysis", "delete", "boiler")
        code = following.end()

    assert code == 1
    assert "there is no analysis" in following.said[-1]
