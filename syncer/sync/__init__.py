"""The engine: decides and applies what reaches which side.

Read in this order; each file tells what it takes from the rooms below it.

1.  ``cycle``                      one cycle: connect, describe, receive, send, create
2.  ``context``                    what all of it works with: connection, maps of the fields, clock, fence, run
3.  ``fields.object_map``          which fields take part, and how a value crosses
4.  ``merge``                      what happens to each field: pure, the only place that decides it
5.  ``pull.changes``               receiving: what to ask for, page by page
6.  ``pull.records``               a page of records: each one merged, followed, or made a person
7.  ``pull.write``                 what was merged is written: a batch, one transaction
8.  ``store.outbox``               who has something to send, and who is being sent
9.  ``push.prepare``               what is to be sent of a person
10. ``push.updates``               sending: read, update and read again in one request (``push.request``)
11. ``push.after_update``          what came of it: successes become the base, refusals are kept
12. ``create.at_most_once``        a Lead for a person, once, whatever crashes

What somebody presses goes the same way at once: ``actions.run_action`` (the run), ``actions.batch``,
``actions.sync_person``, ``actions.synchronise``.

The rooms, from the bottom: ``fields``, ``persons``, ``connection``, ``store``, ``identity``, ``pull``, ``push``,
``create``, ``actions``, ``upkeep``. Each knows only those below it.
"""
