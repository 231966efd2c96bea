"""Made-up exports in which columns say how a deal went, like those of two firms whose files cannot be shown here.

`leads_export`: the lead list of an education company. `deals_export`: the sales pipeline of a reseller. Each late
column ranks outcomes a little (AUC .58 to .8), all of them together far better than what was known at first.
"""

import numpy as np
import pandas as pd

from leadml import read_leads


def leads_export(n, seed, *, late=True, dated=False):
    """Frame, mapping and late columns: tags, qualities and last activities beside what a form asked."""
    rng, (ended, fit, when) = np.random.default_rng(seed), _deals(n, seed, 0.38)
    went = ended + rng.normal(0, 0.55, n)  # how it went, which all late columns follow
    worked = rng.random(n) < np.where(ended == 1, 0.8, 0.55)  # whether anybody looked at the lead at all
    asked = rng.random(n) < 0.5 + 0.45 * (fit > 0)  # whether the form was filled in
    honest = {
        "Lead Origin": _words(rng, fit, 0.9, ["API", "Landing Page Submission", "Lead Add Form"]),
        "Lead Source": _words(rng, fit, 0.8, ["Organic Search", "Google", "Direct Traffic", "Olark Chat", "Reference"]),
        "Do Not Email": _words(rng, -fit, 0.3, ["No", "No", "No", "Yes"]),
        "TotalVisits": np.round(rng.gamma(2, 1.5, n)),
        "Total Time Spent on Website": np.round(np.exp(5 + 0.9 * fit + rng.normal(0, 1, n))),
        "Page Views Per Visit": np.round(rng.gamma(2, 1, n), 1),
        "Country": _words(rng, rng.normal(size=n), 0, ["India", "India", "India", "UAE", "USA"]),
        "Specialization": _where(asked, _words(rng, fit, 0.3, ["Finance", "HR", "Marketing", "Operations", "IT"])),
        "What is your current occupation": _where(asked, _words(rng, fit, 0.6, ["Student", "Unemployed", "Working"])),
        "What matters most to you": _where(asked, _words(rng, fit, 0.1, ["Better Career", "Flexibility", "Other"])),
        "City": _where(rng.random(n) < 0.7, _words(rng, fit, 0.1, ["Mumbai", "Thane", "Other", "Tier II"])),
        "A free copy of Mastering The Interview": _words(rng, fit, 0.1, ["No", "Yes"]),
    }
    parts = {
        "Tags": _where(worked, _words(rng, went, 0.55, ["Ringing", "Interested in other", "Busy", "Will revert"])),
        "Lead Quality": _where(worked, _words(rng, went, 0.4, ["Worst", "Not Sure", "Might be", "High in Relevance"])),
        "Last Activity": _words(rng, went, 0.3, ["Olark Chat", "Email Bounced", "Email Opened", "SMS Sent"]),
        "Last Notable Activity": _words(rng, went, 0.3, ["Modified", "Page Visited", "Email Opened", "SMS Sent"]),
        "Lead Profile": _where(asked, _words(rng, went, 0.3, ["Other", "Student", "Potential Lead"])),
        "Asymmetrique Activity Index": _where(worked, _words(rng, went, 0.3, ["03.Low", "02.Medium", "01.High"])),
        "Asymmetrique Profile Score": _where(worked, np.round(15 + went + rng.normal(0, 1.2, n))),
    }
    return _export(honest, parts if late else {}, ended, when if dated else None)


def deals_export(n, seed, *, late=True, dated=True, open_share=0.15):
    """Frame, mapping and late columns: days and stages of a pipeline beside client, region and supplies."""
    rng, (ended, fit, (created, length)) = np.random.default_rng(seed), _deals(n, seed, 0.25)
    still_open = rng.random(n) < (open_share if dated else 0)
    shares = rng.dirichlet([2, 1.5, 1.2, 2], n) + 0.12 * ended[:, None] * np.array([-1, 0, 1, 0])
    amount = np.exp(10 + 0.4 * np.log(length / 60) + rng.normal(0, 0.8, n))
    honest = {
        "Supplies Group": _words(
            rng, rng.normal(size=n), 0, ["Car Accessories", "Performance", "Tires", "Electronics"]
        ),
        "Region": _words(rng, fit, 0.2, ["Northwest", "Pacific", "Midwest", "Southeast", "Mid-Atlantic"]),
        "Route To Market": _words(rng, fit, 0.5, ["Fields Sales", "Reseller", "Telesales", "Other"]),
        "Client Size By Revenue": _words(rng, fit, 0.2, ["1", "2", "3", "4", "5"]),
        "Client Size By Employee Count": _words(rng, fit, 0.1, ["1", "2", "3", "4", "5"]),
        "Revenue From Client Past Two Years": _words(rng, fit, 0.8, ["0", "0", "1", "2", "4"]),
        "Competitor Type": _where(rng.random(n) < 0.6, _words(rng, fit, 0.3, ["Known", "Unknown", "None"])),
        "Opportunity Amount USD": np.round(amount),
        "Deal Size Category": np.digitize(amount, [5e3, 1e4, 2e4, 3e4, 5e4, 1e5]).astype(str),
        "Price index of the month": np.round(100 + created / 40 + rng.normal(0, 0.5, n), 1),
        "Campaign code": _where(created > 400, _words(rng, fit, 0.3, ["A", "B", "C"])),  # asked for since then
    }
    parts = {
        "Elapsed Days In Sales Stage": np.round(length * rng.beta(3, 3, n)),
        "Sales Stage Change Count": 1 + rng.poisson(1.2 + 1.3 * ended + length / 120),
        "Total Days Identified Through Closing": np.round(length * rng.uniform(0.85, 1, n)),
        "Total Days Identified Through Qualified": np.round(length * rng.uniform(0.4, 0.9, n)),
        "Ratio Days Identified To Total Days": shares[:, 0],
        "Ratio Days Validated To Total Days": shares[:, 1] + 0.05 * ended,
        "Ratio Days Qualified To Total Days": shares[:, 2],
    }
    frame, mapping, names = _export(honest, parts if late else {}, ended, (created, length) if dated else None)
    frame.loc[still_open, ["Result", *names[:4]]] = ["Open", *[0] * len(names[:4])]
    if dated:
        frame.loc[still_open, "Closed"] = None
    return frame, mapping, names


def leads_of(made, **renamed):
    """Read an export; late columns may be given other names."""
    frame, mapping, _ = made
    new = {**mapping, "context": [renamed.get(name, name) for name in mapping["context"]]}
    return read_leads(frame.rename(columns=renamed), new)


def _deals(n, seed, rate):
    """Outcome, how good the lead was, (day of creation, days to the close); lost deals take longer."""
    rng = np.random.default_rng([seed, 1])
    fit = rng.normal(size=n)
    ended = (rng.random(n) < 1 / (1 + np.exp(-(np.log(rate / (1 - rate)) + 1.1 * fit)))).astype(int)
    length = np.exp(4 - 0.6 * ended + rng.normal(0, 0.7, n)).astype(int) + 2
    return ended, fit, (np.sort(rng.integers(0, 900, n)), length)


def _words(rng, latent, weight, words):
    """A category that follows the latent with this weight, the last word with the highest values."""
    mixed = weight * latent / latent.std() + rng.normal(size=len(latent))
    return np.array(words, object)[np.searchsorted(np.quantile(mixed, np.arange(1, len(words)) / len(words)), mixed)]


def _where(known, values):
    return np.where(known, values, None)


def _export(honest, late, ended, when):
    frame = pd.DataFrame({**honest, **late}).assign(Result=np.where(ended == 1, "Won", "Lost"))
    mapping = {
        "name": "leaky",
        "outcome": {"column": "Result", "won": ["Won"], "lost": ["Lost"], "open": ["Open"]},
        "context": [*honest, *late],
    }
    if when is not None:
        created, closed = (np.datetime64("2022-01-01") + days for days in (when[0], when[0] + when[1]))
        frame = frame.assign(Created=created, Closed=closed)
        mapping["dates"] = {"created": "Created", "closed": "Closed"}
    return frame, mapping, [*late]
