"""What learns from counts of patterns learns what it would from rows."""

import numpy as np
from sklearn.linear_model import LogisticRegression

from leadml.calibration.contenders import learn_plain
from leadml.calibration.deals import plain_design
from leadml.datasets.sample import make_leads


def test_the_plain_peer_is_logistic_regression_of_the_deals():
    leads = make_leads(600, "tilted", random_state=0, all_criteria=False)
    rows = plain_design(leads.codes, leads.codes, np.ones(600))
    model = LogisticRegression(C=1.0, solver="newton-cholesky", tol=1e-10).fit(rows, leads.outcome)
    found = learn_plain(leads.criteria, leads).predict(leads).probability
    np.testing.assert_allclose(found, model.predict_proba(rows)[:, 1], atol=1e-6)
