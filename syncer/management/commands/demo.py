"""`manage.py demo`: everything needed to try the product, on this machine only."""

from __future__ import annotations

import io
import os
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError
from rich.console import Console

from marketo.dotenv import write_demo_settings
from syncer.demo import preparation
from syncer.demo.performance import Performance


class Command(BaseCommand):
    help = (
        "Start a sandbox Salesforce, sync its records for the first time, and serve the admin with its background "
        "worker on this machine. Keeps its data, so that the next start goes on with it. Ctrl-C ends all of it."
    )
    requires_system_checks: list[str] = []  # the database may not be there yet

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, default=8000, help="of the admin (default: 8000)")
        parser.add_argument("--sandbox-port", type=int, default=8900, help="of the sandbox (default: 8900)")
        parser.add_argument("--leads", type=int, default=500, help="in a new sandbox (default: 500)")
        parser.add_argument("--contacts", type=int, default=120, help="in a new sandbox (default: 120)")
        parser.add_argument("--seed", type=int, default=1, help="of the sandbox's made-up records (default: 1)")
        parser.add_argument(
            "--directory", type=Path, default=Path(".demo"), help="where data, keys and logs are kept (default: .demo)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        project = Path(settings.BASE_DIR)
        directory = project / options["directory"]
        self._require_own_environment(project, directory)
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(line_buffering=True)  # somebody may be reading along through a pipe
        try:
            with preparation.only_one(directory):
                preparation.require_free_port(options["port"], purpose="the admin", option="--port")
                preparation.require_free_port(options["sandbox_port"], purpose="the sandbox", option="--sandbox-port")
                Performance(
                    directory=directory,
                    port=options["port"],
                    sandbox_port=options["sandbox_port"],
                    leads=options["leads"],
                    contacts=options["contacts"],
                    seed=options["seed"],
                    console=Console(highlight=False, markup=False, soft_wrap=True),
                ).run()
        except preparation.CannotStart as error:
            raise CommandError(str(error)) from None
        except DatabaseError as error:
            first_line = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise CommandError(f"The demo's database cannot be used: {first_line}") from None

    @staticmethod
    def _require_own_environment(project: Path, directory: Path) -> None:
        """Start this process anew, unless its environment is the demo's and no other installation's."""
        demo_file = write_demo_settings(directory)
        current = dict(os.environ)
        environment = preparation.demo_environment(
            current,
            demo_file=demo_file,
            loaded_file=settings.ENV_FILE,
            known=preparation.read_settings(project / ".env.example"),
        )
        if environment != current:
            arguments = [sys.executable, str(project / "manage.py"), *sys.argv[1:]]
            os.execve(sys.executable, arguments, environment)  # noqa: S606
