"""A mapping as a scikit-learn transformer: a frame of CRM columns becomes levels and attributes."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from leadml.data.mapping import load_mapping
from leadml.data.read import read_source
from leadml.data.sources import open_source
from leadml.exceptions import InputError


class MappingEncoder(TransformerMixin, BaseEstimator):
    """Levels of the mapped criteria, and the mapping's context columns, from a frame of CRM columns.

    Parameters
    ----------
    mapping : Mapping, dict, str or path
        What the columns mean.

    Attributes
    ----------
    mapping_ : Mapping
        The mapping as a record.
    feature_names_out_ : tuple of str
        Criteria in canonical order, then context columns.

    Raises
    ------
    InputError
        A cell holds what the mapping does not list (a transformer can leave out no row), or `X` is no table.

    Examples
    --------
    >>> import pandas as pd
    >>> deals = pd.DataFrame({"Role": ["Owner", "Clerk", None], "Product": ["A", "B", "A"]})
    >>> roles = {"column": "Role", "levels": {"Clerk": 1, "Owner": 4}}
    >>> mapping = {"name": "ours", "criteria": {"authority": roles}, "context": ["Product"]}
    >>> MappingEncoder(mapping).fit_transform(deals)["authority"].tolist()
    [4.0, 1.0, nan]
    """

    def __init__(self, mapping: Any) -> None:
        self.mapping = mapping

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: ARG002
        """Read the mapping; nothing is learned.

        Parameters
        ----------
        X : frame, list of dict or path
            Columns of the CRM.
        y : ignored
            Not used.
        """
        self.mapping_ = load_mapping(self.mapping)
        opened = open_source(X, self.mapping_.read)
        there = [name for name in self.mapping_.context if name in opened.columns]
        self.feature_names_out_ = (*self.mapping_.mapped, *there)
        return self

    def transform(self, X: Any) -> pd.DataFrame:
        """Encode every row of what `fit` takes.

        Returns
        -------
        DataFrame
            Levels (float, NaN = unknown) and context columns, row by row as in `X`.
        """
        check_is_fitted(self)
        unnamed = self.mapping_.model_copy(update={"lead_id": None})  # nobody asks which lead a row is
        leads = read_source(open_source(X, self.mapping_.read), unnamed, to_score=True)
        if leads.rejections is not None and leads.rejections.n_rows:
            raise InputError(f"{leads.source}: {leads.rejections.summary(1)[0]}; a transformer leaves out no row")
        columns = dict(zip(leads.criteria, leads.levels.T, strict=True))
        columns |= {name: np.asarray(c.to_pandas(date_as_object=False)) for name, c in leads.context.items()}
        out = pd.DataFrame(columns, index=X.index if isinstance(X, pd.DataFrame) else None)
        return out.reindex(columns=list(self.feature_names_out_))  # NaN where a column may be absent, and is

    def get_feature_names_out(self, input_features: Any = None) -> Any:  # noqa: ARG002
        """Names of the columns: criteria, then context columns."""
        check_is_fitted(self)
        return np.array(self.feature_names_out_, dtype=object)
