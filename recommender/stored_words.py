"""What this app stores in English, for pages to show in the reader's language; see recsite.operations.stored_words."""

from __future__ import annotations

from django.utils.translation import gettext_noop

JOBS = (
    gettext_noop("Build the interest map"),
    gettext_noop("Choosing how fast the sources forget"),
    gettext_noop("Choosing how neighbours are learned"),
    gettext_noop("Comparing %(n)s items"),
    gettext_noop("Count events and lists by hour"),
    gettext_noop("Count figures of experiment %(experiment)s"),
    gettext_noop("Counting: %(words)s"),
    gettext_noop("Embedding items"),
    gettext_noop("Evaluate %(strategy)s"),
    gettext_noop("Export served lists as %(format)s"),
    gettext_noop("Fit the live strategy to what users took lately"),
    gettext_noop("Fitting the weights of the sources"),
    gettext_noop("Fitting what is taken again"),
    gettext_noop("Growing trees over what the sources say"),
    gettext_noop("Load the demo shop"),
    gettext_noop("Making %(n)s lists of validation"),
    gettext_noop("Making lists: %(done)s of %(n)s"),
    gettext_noop("Placing the other items"),
    gettext_noop("Reading histories"),
    gettext_noop("Rebuild interests with encoder version %(version)s"),
    gettext_noop("Rebuild interests without an encoder"),
    gettext_noop("Rebuild interests: items have new labels"),
    gettext_noop("Rebuild interests: many items have new vectors"),
    gettext_noop("Rebuild interests: many users have new events"),
    gettext_noop("Rebuild statistics after an import of events"),
    gettext_noop("Rebuild statistics and neighbours"),
    gettext_noop("Rebuild statistics as the new fit wants them learned"),
    gettext_noop("Sum up the preferences of a user"),
    gettext_noop("Summed up"),
    gettext_noop("The user is gone"),
    gettext_noop("Train the interest encoder"),
    gettext_noop("Training on %(n)s moments"),
    gettext_noop("Training the interest encoder on %(n)s moments"),
    gettext_noop("Tuning the baseline %(name)s"),
    gettext_noop("Version %(version)s is trained"),
    gettext_noop("Waiting for the worker to embed items"),
    gettext_noop("Writing %(n)s neighbours"),
)
REASONS = (
    gettext_noop(
        "NDCG@10 %(new)s against %(live)s on %(n)s moments that it had not seen "
        "(95%% interval of the difference %(low)s to %(high)s)."
    ),
    gettext_noop("Went live: %(words)s"),
    gettext_noop("Not live, for no change to the interests was better than none: %(words)s"),
    gettext_noop("Not live yet, for that may be chance: %(words)s"),
    gettext_noop("Not live, for that may be chance: %(words)s"),
    gettext_noop("Not live, for it is not better: %(words)s"),
    gettext_noop("Live again: %(who)s rolled back to it."),
    gettext_noop("Retired: %(who)s went back to interests without an encoder."),
    gettext_noop("Fewer than %(n)s users came back in the last weeks; the recipe's weights hold."),
    gettext_noop(
        "NDCG@10 %(new)s instead of %(before)s for users it was not tuned on "
        "(difference %(difference)s, 95%% %(low)s to %(high)s): %(words)s."
    ),
    gettext_noop("in use"),
    gettext_noop("not better, not used"),
)
# What was found of a golden user, in the forms of English.
FINDINGS = (
    gettext_noop("None of them is shown."),
    gettext_noop("“%(title)s” is shown at position %(position)s."),
    gettext_noop("%(n)s of them are shown, “%(title)s” at position %(position)s."),
    gettext_noop("%(n)s of them is shown."),
    gettext_noop("%(n)s of them are shown."),
    gettext_noop("%(n)s brand."),
    gettext_noop("%(n)s brands."),
    gettext_noop("%(n)s label."),
    gettext_noop("%(n)s labels."),
)
# What is wrong with one event that staff record; the reading of rows is pure, and the API says it as it is.
EVENTS = (
    gettext_noop("There is no item %(item)r; send it to /api/v1/items/ first, then this event again."),
    gettext_noop("There is no event type %(type)r; it is one of %(known)s."),
    gettext_noop("A rate event needs its rating, 1 to 5, as value."),
)
# Errors with which a job may end; services raise them elsewhere too.
ERRORS = (
    gettext_noop(
        "There are %(train)s moments to train on and %(held_out)s to compare on; training "
        "takes %(least_train)s and %(least_held_out)s. Train again when users have taken more that was new to them."
    ),
    gettext_noop("Version %(version)s was trained meanwhile; train again once there is more to learn."),
    gettext_noop("No user with events before %(day)s took anything after it; choose an earlier date."),
    gettext_noop(
        "The language model is off; set RECSITE_LLM=auto, or LLM_BASE_URL to a server of your own, and start again."
    ),
)
SENTENCES = (*JOBS, *REASONS, *FINDINGS, *EVENTS, *ERRORS)
