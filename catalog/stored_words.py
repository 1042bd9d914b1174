"""What this app stores in English, for pages to show in the reader's language; see recsite.operations.stored_words."""

from __future__ import annotations

from django.utils.translation import gettext_noop

JOBS = (
    gettext_noop("%(n)s changed"),
    gettext_noop("%(n)s item waits for the models worker"),
    gettext_noop("%(n)s items wait for the models worker"),
    gettext_noop("Accept %(n)s suggested labels"),
    gettext_noop("Describe the labels of %(taxonomy)s"),
    gettext_noop("Import %(file)s"),
    gettext_noop("Label %(taxonomy)s anew with version %(version)s"),
    gettext_noop("Label anew: %(before)s is now %(name)s"),
    gettext_noop("Label anew: %(label)s came back"),
    gettext_noop("Label anew: %(label)s is back"),
    gettext_noop("Label anew: %(label)s is deprecated"),
    gettext_noop("Label anew: %(label)s is described anew"),
    gettext_noop("Label anew: %(label)s was added"),
    gettext_noop("Label anew: %(label)s was moved"),
    gettext_noop("Label anew: %(label)s was split"),
    gettext_noop("Label anew: %(taxonomy)s was changed"),
    gettext_noop("Label anew: merged into %(target)s"),
    gettext_noop("Take back %(n)s decisions"),
    gettext_noop("Train the label head of %(taxonomy)s"),
    gettext_noop("Writing %(taxonomy)s"),
)
REASONS = (
    gettext_noop("There are too few decisions."),
    gettext_noop("Went live: %(words)s"),
    gettext_noop("Not live yet, for that may be chance: %(words)s"),
    gettext_noop("Not live, for it is not better: %(words)s"),
    gettext_noop("there is no decision that neither had seen."),
    gettext_noop("%(new)s against %(live)s right on %(n)s decisions that neither had seen."),
    gettext_noop("Live again: %(who)s rolled back to it."),
    gettext_noop("%(right)s of %(n)s audits were right (95%% interval %(low)s to %(high)s)"),
    gettext_noop("Running since %(when)s: %(words)s."),
    gettext_noop(
        "Stopped on %(when)s: %(words)s, so %(wanted)s is no longer sure. "
        "Look at what was wrong, then switch it on with a higher threshold."
    ),
    gettext_noop(
        "Not started, %(when)s: %(words)s, which does not prove %(wanted)s. "
        "Switch it on with a higher threshold, or want less."
    ),
)
ROWS_LEFT_OUT = (
    gettext_noop("taxonomy is missing; name the one that the label belongs to."),
    gettext_noop("taxonomy %(name)r has no Latin letter for its address; import with --taxonomy SLUG --name …"),
    gettext_noop('label is missing or has an empty part; write names from the root joined by " > ".'),
    gettext_noop("label is too long: 200 characters a name, 1,000 a path."),
    gettext_noop("icon is longer than 40 characters; use a Tabler icon's name."),
    gettext_noop("external_id has %(n)s characters; at most %(most)s fit."),
    gettext_noop("%(column)s names no language; write a code such as name:zh-hans or name:fr."),
    gettext_noop("No label of %(taxonomy)s has the id %(id)r; import the file it came from first."),
    gettext_noop("It has no id to be matched by; import the variant of the file that has ids."),
    gettext_noop("“%(line)s” has no id, unlike the lines before it; write “123 - A > B”."),
    gettext_noop('Line %(line)s is not "%(prefix)sID : PATH"; write it so, or leave it out.'),
    gettext_noop("Below %(where)s stands something that is no object with a name; mend or remove it."),
    gettext_noop('A category below %(where)s has no name without ">"; give it one.'),
    gettext_noop("%(path)s is nested more than %(most)s deep; flatten what lies below it."),
)
# What is wrong with one item: the reading of rows is pure, and the API says it as it is.
ITEMS = (
    gettext_noop("title is empty; every item needs one."),
    gettext_noop("external_id is missing; send the id that the shop's events use."),
    gettext_noop("external_id is blank or holds control characters; remove them."),
    gettext_noop("external_id has %(n)s characters; at most 200 fit."),
    gettext_noop("%(name)s has %(n)s characters; at most %(most)s fit. Shorten it."),
    gettext_noop("%(name)s %(value)s is not a web address; send one like https://…"),
    gettext_noop("%(name)s %(value)s is not a price; send one like 12.99 or '12.99 USD'."),
    gettext_noop("%(name)s is %(value)s; send a finite number, or null where there is no price."),
    gettext_noop("%(name)s is above %(most)s; check the amount."),
    gettext_noop("%(name)s is above %(most)s; check the number."),
    gettext_noop("%(name)s is %(value)s; it cannot be negative."),
    gettext_noop("%(name)s is %(value)s; send a whole number from 0 on, or null where nobody counts."),
    gettext_noop("currency %(value)s is not an ISO 4217 code; send three letters like USD."),
    gettext_noop("price says %(one)s and currency says %(other)s; send one of them."),
    gettext_noop("%(name)s %(value)s is not a time; send ISO 8601 like 2025-03-01T09:30:00Z."),
    gettext_noop("%(name)s is in %(year)s; send a time from 1990 up to ten years ahead, or null."),
    gettext_noop('attributes is not valid JSON; send an object like {"colour": "red"}.'),
    gettext_noop("attributes take %(n)s characters as JSON; at most %(most)s fit."),
    gettext_noop("attributes are nested more than 20 deep; flatten them."),
)
# Errors with which a job may end; services raise them elsewhere too.
ERRORS = (
    gettext_noop("The question has %(n)s characters; at most %(most)s fit."),
    gettext_noop("%(language)r is no language code; write one such as zh-hans or fr."),
    gettext_noop("%(taxonomy)r is no slug; write small Latin letters, digits and hyphens, at most 50."),
    gettext_noop("The file names %(n)s taxonomies; import it without naming one."),
    gettext_noop("There is no taxonomy %(slug)r to give names to; import its file in your own language first."),
    gettext_noop("Whoever started job %(job)s is no longer here; start it anew from the review page."),
    gettext_noop(
        "Nobody decided about %(taxonomy)s since version %(version)s was trained; "
        "review some suggestions, then train again."
    ),
    gettext_noop("Version %(version)s of %(taxonomy)s was trained meanwhile; train again if you reviewed more."),
    gettext_noop("%(taxonomy)s has no labels; add some first."),
)
SENTENCES = (*JOBS, *REASONS, *ROWS_LEFT_OUT, *ITEMS, *ERRORS)
