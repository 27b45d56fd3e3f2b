"""Writes the file of settings that a fresh installation or the demo needs: `python -m marketo.dotenv --help`.

Standard library only: it runs before any setting exists.
"""

from __future__ import annotations

import argparse
import base64
import os
import secrets
from pathlib import Path

TEMPLATE = """\
# Written once by `make setup`; .env.example explains every setting. Keep this file secret, and keep a copy of
# FIELD_ENCRYPTION_KEY elsewhere: without it the stored Salesforce secrets cannot be read.
SECRET_KEY={secret_key}
FIELD_ENCRYPTION_KEY={field_encryption_key}

# Names this installation. The database remembers it: a copy of the database elsewhere does not sync as well. Don't copy
# this line along with the database.
INSTALLATION_ID={installation_id}

# http on this machine only, to begin with. To serve others, take this line out and set ALLOWED_HOSTS.
PLAIN_HTTP_ON_LOOPBACK=true
"""

DEMO_TEMPLATE = """\
# Written once by the demo for its own processes. It keeps everything in this folder: delete that to start over.
SECRET_KEY={secret_key}
FIELD_ENCRYPTION_KEY={field_encryption_key}
INSTALLATION_ID={installation_id}
DEBUG=false
PLAIN_HTTP_ON_LOOPBACK=true
DATABASE_URL=sqlite:///{directory}/db.sqlite3
CACHE_DIR={directory}/cache
STATE_DIR={directory}/state
STATIC_ROOT={directory}/static
"""


def new_secret_key() -> str:
    """A key for Django's signatures."""
    return secrets.token_urlsafe(50)


def new_field_encryption_key() -> str:
    """A Fernet key: 32 random bytes in URL-safe base64."""
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


def new_installation_id() -> str:
    """A name that no other installation has."""
    return secrets.token_hex(8)


def write_once(path: Path, text: str) -> bool:
    """Write `text` to a file that only this user can read; False, and nothing touched, when the file exists."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return False
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    return True


def write_settings(path: Path) -> bool:
    """Write a new installation's settings with new keys; False when there are some already."""
    return write_once(
        path,
        TEMPLATE.format(
            secret_key=new_secret_key(),
            field_encryption_key=new_field_encryption_key(),
            installation_id=new_installation_id(),
        ),
    )


def write_demo_settings(directory: Path) -> Path:
    """Make the demo's folder, readable by this user only, with settings and keys of its own; returns the file."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = directory / "env"
    # Relative to manage.py where it can be, as the settings read it: the checkout may be moved.
    project = Path(__file__).resolve().parent.parent
    kept = directory.relative_to(project) if directory.is_relative_to(project) else directory
    write_once(
        path,
        DEMO_TEMPLATE.format(
            secret_key=new_secret_key(),
            field_encryption_key=new_field_encryption_key(),
            installation_id=new_installation_id(),
            directory=kept.as_posix(),
        ),
    )
    return path


def main() -> None:
    """Write a file of settings unless it is there already, or print a key."""
    parser = argparse.ArgumentParser(prog="python -m marketo.dotenv", description="Write a new file of settings.")
    parser.add_argument("file", nargs="?", type=Path, default=Path(".env"), help="where to write (default: .env)")
    parser.add_argument("--demo", type=Path, metavar="FOLDER", help="write the demo's settings to FOLDER/env instead")
    parser.add_argument("--new-key", action="store_true", help="print a new FIELD_ENCRYPTION_KEY and write nothing")
    options = parser.parse_args()
    if options.new_key:
        print(new_field_encryption_key())
    elif options.demo:
        write_demo_settings(options.demo)
    elif write_settings(options.file):
        print(f"Wrote {options.file} with new keys.")


if __name__ == "__main__":
    main()
