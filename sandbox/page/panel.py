"""The panel *Try*: what can be switched on, and whether it is."""

from __future__ import annotations

from sandbox.org import Org
from sandbox.page.markup import alert, text
from sandbox.page.tries import TRIES, Try


def panel(org: Org, hidden_token: str, said: str = "", *, error: str = "") -> str:
    """The page's body; ``said`` is the key of what was done last, ``error`` why it was not."""
    done = next((entry for entry in TRIES if entry.key == said), None)
    message = alert(error) if error else alert(f"Done: {done.title}.", good=True) if done else ""
    rows = "".join(_row(entry, entry.key in org.settings.tries, hidden_token) for entry in TRIES)
    return (
        "<h1>Try</h1><p class=sub>Let something happen to the organisation, sync, and see what becomes of it. "
        f"Each of these is a control call, too.</p>{message}<div class=card><div class=scroll><table><thead><tr>"
        f"<th scope=col>What</th><th scope=col>Then</th><th scope=col></th></tr></thead><tbody>{rows}</tbody></table>"
        "</div></div>"
    )


def _row(entry: Try, is_on: bool, hidden_token: str) -> str:
    action, label = ("off", "Switch off") if is_on else ("on", "Switch on" if entry.off else "Do it")
    pill = " <span class=pill>on</span>" if is_on else ""
    button = (
        f'<form method=post action="/try/{entry.key}/{action}">{hidden_token}'
        f'<button class=plain aria-label="{label}: {text(entry.title)}">{label}</button></form>'
    )
    return (
        f'<tr><td data-label="What">{text(entry.title)}{pill}</td><td data-label="Then">{text(entry.told)}</td>'
        f"<td>{button}</td></tr>"
    )
