"""Entry point: which command, and what its end means for the exit status."""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections.abc import Sequence
from typing import Any, TextIO

from chainrule.cli import cache, data, evaluate, fit, predict
from chainrule.cli.terminal import UsageError
from chainrule.core.errors import ChainruleError
from chainrule.version import __version__

#: Exit statuses; 128 + 2 is the shell's for a program that Ctrl-C ended.
DONE, FAILED, WRONG_USAGE, INTERRUPTED = 0, 1, 2, 130

COMMANDS = {"fit": fit, "evaluate": evaluate, "predict": predict, "data": data, "cache": cache}


class _HelpFormatter(argparse.ArgumentDefaultsHelpFormatter):
    """Shows the default of each option that has one."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        return action.help if action.default in (None, False) else super()._get_help_string(action)


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    parser = argparse.ArgumentParser(
        prog="chainrule",
        description="Feedforward neural networks that you can see work.",
        epilog="Example: chainrule fit digits, then chainrule predict runs/digits digits",
    )
    parser.add_argument("--version", action="version", version=f"chainrule {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, module in COMMANDS.items():
        summary = str(module.__doc__).splitlines()[0]
        command = commands.add_parser(
            name,
            help=summary,
            description=summary,
            formatter_class=_HelpFormatter,
        )
        module.add_arguments(command)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        argv: the arguments (default: those of the process).

    Returns:
        The exit status: 0 done, 1 the work failed, 2 wrong usage, 130 interrupted by Ctrl-C.
    """
    parser = make_parser()
    try:
        arguments = parser.parse_args(argv)
    except SystemExit as stop:  # argparse has printed what is wrong, or the help
        return int(stop.code or 0)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("always", UserWarning)  # such as an unseen category
            warnings.showwarning = _show_warning
            COMMANDS[arguments.command].run(arguments)
            sys.stdout.flush()
    except UsageError as error:
        print(f"chainrule {arguments.command}: {error}", file=sys.stderr)
        return WRONG_USAGE
    except ChainruleError as error:
        print(f"chainrule {arguments.command}: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader, such as `head`, has what it wanted; Python must not flush into the pipe again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    return DONE


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
    **_: Any,
) -> None:
    """Print a warning as a sentence, without the place in the code that a user cannot change."""
    print(f"warning: {message}", file=sys.stderr)
