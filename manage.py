#!/usr/bin/env python
"""Django's command line for recsite."""

from __future__ import annotations

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "recsite.settings")
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line
    from django.db import OperationalError

    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.exit(f"recsite cannot start: {error}")
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", None) is not None:  # it was reached, and this is about something else
            raise
        sys.exit(f"The database does not answer; start it with `make run`, or check DATABASE_URL. {error}")


if __name__ == "__main__":
    main()
