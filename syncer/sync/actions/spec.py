"""What an action on persons is: how people see it, whom it is for, what it refuses, and what carries it out.

An action is its name in ``options.Action``, one ``ActionSpec`` in the module that carries it out, and one line of
``registry``. The pages, buttons, permissions and runs are made from that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from syncer.sync.actions.checks import Check
from syncer.sync.context import Context
from syncer.sync.options import Action, Ask, SyncOptions
from syncer.sync.outcomes import Outcomes
from syncer.sync.persons.person_state import PersonState

#: How each person's action was asked for, by id.
Asked = Mapping[int, SyncOptions]
#: Carries an action out for up to ``batch.BATCH`` persons that this worker has claimed. Return, or yield, what was
#: done: what was yielded counts, also when a later step is interrupted by a field that Salesforce took away.
CarryOut = Callable[[Context, Sequence[PersonState], Asked], Iterable[Outcomes]]


@dataclass(frozen=True, slots=True)
class ActionSpec:
    """One action on persons.

    An action that ``needs`` no answer can be carried out at once: it has an entry in the list and a button on a
    person's page. One that ``asks`` has a page of choices. Both, and the page is that of the action *with options*.
    """

    action: Action
    #: Names the entry of the list.
    name: str
    title: str
    carry_out: CarryOut
    #: What the button on a person's page says, where it is less than the title, and its tooltip.
    short: str = ""
    description: str = ""
    #: The button on the page of choices, and what a pressed one says.
    button: str = ""
    busy: str = "Working…"
    permission: str = "syncer.sync_person"
    #: What its page asks, and what of it has to be answered.
    asks: frozenset[Ask] = frozenset()
    needs: frozenset[Ask] = frozenset()
    #: What it refuses before anything is asked, in order.
    refusals: tuple[Check, ...] = ()
    #: Persons with a record in Salesforce only.
    needs_record: bool = False
    #: Whoever has no record goes through *Sync Person to SFDC* first; the others are not synced by it.
    makes_record_first: bool = False
    writes: bool = True

    @property
    def at_once(self) -> bool:
        return not self.needs

    @property
    def has_page(self) -> bool:
        return bool(self.asks)

    @property
    def page_title(self) -> str:
        return f"{self.title} with options" if self.at_once else self.title
