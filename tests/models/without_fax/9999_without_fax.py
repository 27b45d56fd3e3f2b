"""Takes a column of the person away, as going back over a migration does that had added it."""

from __future__ import annotations

from pkgutil import iter_modules

from django.db import migrations

from syncer import migrations as real

NEWEST = max(module.name for module in iter_modules(real.__path__))


class Migration(migrations.Migration):
    dependencies = [("syncer", NEWEST)]
    operations = [migrations.RemoveField("person", "fax")]
