"""Experiments in sentences: what the figures say, whether to stop, and what speaks against trusting them."""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext, gettext_lazy, ngettext

from recommender.algorithms.experiment_statistics import Interval
from recommender.experiment_results import Difference, Power, Results
from recsite.operations.templatetags.console import number, signed

MEASURE_NAMES: dict[str, str | Promise] = {
    "impression": gettext_lazy("Shown items"),
    "click": gettext_lazy("Clicks"),
    "add_to_cart": gettext_lazy("Carts"),
    "purchase": gettext_lazy("Purchases"),
}
DID: dict[str, str | Promise] = {
    "impression": gettext_lazy("saw an item of their lists"),
    "click": gettext_lazy("clicked an item of their lists"),
    "add_to_cart": gettext_lazy("put an item of their lists into the cart"),
    "purchase": gettext_lazy("bought an item of their lists"),
}


def share_words(share: float) -> str:
    """One decimal; two below 1%."""
    return f"{100 * share:.{2 if share < 0.01 else 1}f}%"


def points(difference: float) -> str:
    """Of two shares, in percentage points."""
    return signed(100 * difference, 1 if abs(difference) >= 0.0005 or not difference else 2)


def interval_words(interval: Interval | None) -> str:
    if interval is None:
        return "–"
    return gettext("%(low)s to %(high)s") % {"low": points(interval.low), "high": points(interval.high)}


def days_words(days: float) -> str:
    whole = int(days)
    if whole < 1:
        hours = max(1, round(days * 24))
        return ngettext("%(n)s hour", "%(n)s hours", hours) % {"n": hours}
    return ngettext("%(n)s day", "%(n)s days", whole) % {"n": number(whole)}


def summary(results: Results) -> list[str]:
    """A sentence or two an arm, in the measure that decides."""
    if not any(arm.users for arm in results.arms):
        return [gettext("Nobody has been shown a list of it yet.")]
    return [_summary_of(results, difference) for difference in results.deciding]


def _summary_of(results: Results, found: Difference) -> str:
    arm = next(each for each in results.arms if each.name == found.arm)
    read = found.interval if results.is_planned_end or found.at_any_look is None else found.at_any_look
    said = {
        "time": days_words(results.days_run),
        "share": share_words(arm.types[found.measure].share.value),
        "arm": found.arm,
        "did": DID[found.measure],
        "control_share": share_words(results.control.types[found.measure].share.value),
        "control": results.control.name,
        "difference": points(found.difference),
        "interval": interval_words(read),
    }
    words = gettext(
        "After %(time)s, %(share)s of the users of arm %(arm)s %(did)s, against %(control_share)s of arm %(control)s: "
        "%(difference)s points (%(interval)s)."
    )
    return f"{words % said} {verdict_words(results, found)}"


def verdict_words(results: Results, found: Difference) -> str:
    said = {"arm": found.arm, "control": results.control.name}
    if results.is_mismatched:
        return gettext("Do not trust this: the users are not split as planned.")
    if found.verdict == "better":
        return gettext("Arm %(arm)s is better than arm %(control)s.") % said
    if found.verdict == "worse":
        return gettext("Arm %(arm)s is worse than arm %(control)s.") % said
    if found.verdict == "early":
        return gettext("Too early to say: each arm needs 100 users.")
    if not results.is_running:
        return gettext("They cannot be told apart.")
    not_yet = gettext("Not told apart yet;")
    return f"{not_yet} {_how_long(results.power)}"


def _how_long(power: Power) -> str:
    lift = f"{100 * power.lift:.0f}%"
    if power.needed is None:
        return gettext("how long it takes can be said once the control's users did it.")
    if power.more == 0:
        return gettext("there are enough users to see a difference of %(lift)s, so it is likely smaller.") % {
            "lift": lift
        }
    if power.days is None:
        return gettext("nobody new was shown a list of it in the last days.")
    days = ngettext("about %(n)s day more", "about %(n)s days more", power.days) % {"n": number(power.days)}
    return gettext("%(days)s at this pace to see a difference of %(lift)s.") % {"days": days, "lift": lift}


def power_words(power: Power) -> str:
    if power.needed is None:
        return gettext("Once some of the control's users, and not all, did it, this says how long it takes.")
    said = {
        "lift": f"{100 * power.lift:.0f}%",
        "baseline": share_words(power.baseline),
        "other": share_words(power.baseline * (1 + power.lift)),
        "needed": number(power.needed),
        "more": number(power.more),
        "a_day": number(power.a_day, 1 if power.a_day < 10 else 0),
    }
    words = gettext(
        "To see a difference of %(lift)s (%(baseline)s against %(other)s), the control needs %(needed)s users. "
    )
    if power.more == 0:
        return words % said + gettext("There are enough.")
    words += gettext("%(more)s users more are needed in all; %(a_day)s new ones a day came lately.")
    if power.days is not None:
        words += " " + ngettext("That takes about %(days)s day.", "That takes about %(days)s days.", power.days)
        said["days"] = number(power.days)
    return words % said


def mismatch_words(results: Results) -> str:
    """'' where users are split as planned."""
    if not results.is_mismatched:
        return ""
    seen = ", ".join(
        gettext("%(arm)s has %(users)s users (%(expected)s expected)")
        % {"arm": arm.name, "users": number(arm.users), "expected": number(round(expected))}
        for arm, expected in zip(results.arms, results.expected_users, strict=True)
    )
    return gettext(
        "The users are not split as planned: %(seen)s. By chance this happens less than once in a thousand "
        "experiments. Do not trust the result; look for lists that are asked for in one arm only, or cached."
    ) % {"seen": seen}


def in_two_words(results: Results) -> str:
    if not results.in_two:
        return ""
    return ngettext(
        "%(n)s user has lists of two arms, which should not be, and is left out.",
        "%(n)s users have lists of two arms, which should not be, and are left out.",
        results.in_two,
    ) % {"n": number(results.in_two)}


def peeking_words(results: Results) -> str:
    if results.is_planned_end:
        return gettext("It ran to the end that was fixed before, so the ordinary interval is the one to read.")
    if not results.is_running:
        return gettext(
            "It was stopped before an end that was fixed, so read the wider interval: stopping when it looks good "
            "raises false alarms."
        )
    return gettext(
        "Looking every day raises false alarms: of experiments in which nothing differs, about one in four shows a "
        "difference at some moment of a month. The wider interval may be read at any time; the ordinary one only at "
        "an end that was fixed before."
    )
