"""The registry: versions of a model, which one is the champion, and whether the local store agrees."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from leadml.exceptions import TrackingError
from leadml.tracking.calibration import TrackedRun
from leadml.tracking.connection import chosen_uri, explained, make_client, sqlite_file

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

CHAMPION: Final = "champion"
"""The alias of the version in use."""

CHALLENGER: Final = "challenger"
"""The alias of the newest version that is not in use."""

_SAME_AS: Final = "leadml.stored_as"
"""The tag that names the same card in the local store."""

_CONTENT: Final = "leadml.content"
"""The tag that tells a card by what it holds, whatever the store that it lies in calls it."""


@dataclass(frozen=True)
class RegisteredCard:
    """A version in MLflow's registry.

    Attributes
    ----------
    name : str
        The registered model.
    version : int
        Its version.
    champion : bool
        Whether this version is the champion.
    stored_as : str or None
        ``NAME@VERSION`` of the same card in the store that it came from.
    content : str or None
        Digest of what the card holds; None for cards of earlier releases.
    run_id : str or None
        The run that made it.
    """

    name: str
    version: int
    champion: bool
    stored_as: str | None = None
    content: str | None = None
    run_id: str | None = None


def register(
    run: TrackedRun,
    name: str,
    *,
    stored_as: str | None = None,
    content: str | None = None,
    champion: bool | None = None,
    description: str | None = None,
) -> RegisteredCard:
    """Register the card of a tracked calibration as the champion or as the challenger.

    Parameters
    ----------
    run : TrackedRun
        What `track_calibration` gave.
    name : str
        The registered model; made when it is not there.
    stored_as : str, optional
        ``NAME@VERSION`` in the local store.
    content : str, optional
        Digest of what the card holds.
    champion : bool, optional
        Whether it is the version in use; where not given, the first version of a name is.
    description : str, optional
        Shown with the version.

    Returns
    -------
    RegisteredCard
        The new version, or the one that this run registered before.

    Raises
    ------
    TrackingError
        The run has no card, or MLflow could not be reached or refused.
    """
    if run.model_id is None:
        raise TrackingError(
            f"tracking: run {run.run_id} has no card to register; a card is logged when one is recommended. "
            "Register a run that has one."
        )
    with explained(f"registering {name!r}", run.tracking_uri):
        from mlflow.exceptions import MlflowException

        client = make_client(run.tracking_uri)
        try:
            client.create_registered_model(name, description="Lead qualification cards, made by leadml.")
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        before = [each for each in _versions(client, name) if each.run_id == run.run_id]
        if before:
            made = before[0]
        else:
            # Not models:/ID, which the registry looks up in whatever store is set globally.
            source = client.get_logged_model(run.model_id).artifact_location
            known = {_SAME_AS: stored_as, _CONTENT: content}
            tags = {key: value for key, value in known.items() if value}
            made = client.create_model_version(
                name, source, run.run_id, tags=tags, description=description, model_id=run.model_id
            )
            # By this tag the page of the logged model knows its registered version.
            is_here = json.dumps([{"name": name, "version": str(made.version)}])
            client.set_logged_model_tags(run.model_id, {"mlflow.modelVersions": is_here})
        version = int(made.version)
        in_use = _aliases(client, name).get(CHAMPION)
        first = in_use is None if champion is None else champion
        if first:
            client.set_registered_model_alias(name, CHAMPION, str(version))
        elif in_use != version:
            client.set_registered_model_alias(name, CHALLENGER, str(version))
    return RegisteredCard(name, version, first or in_use == version, stored_as, content, run.run_id)


def list_registered(name: str, tracking_uri: str | None = None) -> list[RegisteredCard]:
    """List the versions of a registered model.

    Parameters
    ----------
    name : str
        Its name.
    tracking_uri : str, optional
        Where it is kept.

    Returns
    -------
    list of RegisteredCard
        The oldest first; empty where there is no such model, or no store.

    Raises
    ------
    TrackingError
        MLflow could not be reached, or refused.
    """
    uri = chosen_uri(tracking_uri)
    file = sqlite_file(uri)
    if file is not None and not file.exists():
        return []
    with explained(f"looking {name!r} up", uri):
        client = make_client(uri)
        in_use = _aliases(client, name).get(CHAMPION)
        found = [_described(each, in_use) for each in _versions(client, name)]
    return sorted(found, key=lambda each: each.version)


def list_names(tracking_uri: str | None = None) -> list[str]:
    """List the registered models that hold a card of leadml.

    Parameters
    ----------
    tracking_uri : str, optional
        Where they are kept.

    Returns
    -------
    list of str
        Their names; empty where there is no store.

    Raises
    ------
    TrackingError
        MLflow could not be reached, or refused.
    """
    uri = chosen_uri(tracking_uri)
    file = sqlite_file(uri)
    if file is not None and not file.exists():
        return []
    with explained("listing models", uri):
        versions = make_client(uri).search_model_versions("", max_results=10_000)
        return sorted({each.name for each in versions if _SAME_AS in each.tags or _CONTENT in each.tags})


def find_registered(ref: str, tracking_uri: str | None = None) -> RegisteredCard | None:
    """Find the registered version that a reference names.

    Parameters
    ----------
    ref : str
        ``models:/NAME@ALIAS``, ``models:/NAME/VERSION`` or ``runs:/RUN_ID/...``.
    tracking_uri : str, optional
        Where it is kept.

    Returns
    -------
    RegisteredCard or None
        None where no version is registered from that run.

    Raises
    ------
    TrackingError
        MLflow could not be reached, or knows no such model.
    """
    uri = chosen_uri(tracking_uri)
    scheme, _, rest = ref.partition(":/")
    name, _, alias = rest.strip("/").partition("@")
    name, _, number = name.partition("/")
    with explained(f"looking {ref!r} up", uri):
        client = make_client(uri)
        if scheme == "runs":
            # A run registers the card that it recommends, and no other.
            found = client.search_model_versions(f"run_id = '{name}'") if number in ("", "card") else []
            made = max(found, key=lambda each: int(each.version), default=None)
        elif alias:
            made = client.get_model_version_by_alias(name, alias)
        else:
            made = client.get_model_version(name, number) if number else None
        return None if made is None else _described(made, _aliases(client, made.name).get(CHAMPION))


def name_stored(card: RegisteredCard, stored_as: str, content: str, tracking_uri: str | None = None) -> None:
    """Note with a registered version where the local store has the same card.

    Parameters
    ----------
    card : RegisteredCard
        The version.
    stored_as : str
        ``NAME@VERSION``.
    content : str
        Digest of what the card holds.
    tracking_uri : str, optional
        Where it is kept.
    """
    uri = chosen_uri(tracking_uri)
    with explained(f"noting {stored_as!r}", uri):
        client = make_client(uri)
        for key, value in ((_SAME_AS, stored_as), (_CONTENT, content)):
            client.set_model_version_tag(card.name, str(card.version), key, value)


def fetch_metrics(run_id: str, tracking_uri: str | None = None) -> dict[str, float]:
    """Fetch the figures of a run.

    Parameters
    ----------
    run_id : str
        The run.
    tracking_uri : str, optional
        Where it is kept.

    Returns
    -------
    dict of str to float
        As they were logged.
    """
    uri = chosen_uri(tracking_uri)
    with explained(f"looking the run {run_id} up", uri):
        return dict(make_client(uri).get_run(run_id).data.metrics)


def point_champion(
    name: str,
    stored_as: str,
    because: str | None = None,
    tracking_uri: str | None = None,
    *,
    content: str | None = None,
) -> RegisteredCard | None:
    """Make the registered version of a stored card the champion.

    Parameters
    ----------
    name : str
        The registered model.
    stored_as : str
        ``NAME@VERSION`` in the local store.
    because : str, optional
        Why; kept as a tag of the version.
    tracking_uri : str, optional
        Where it is kept.
    content : str, optional
        Digest of what the card holds; it counts for more than the name, which another store may use too.

    Returns
    -------
    RegisteredCard or None
        The champion; None where no registered version is that card.

    Raises
    ------
    TrackingError
        MLflow could not be reached, or refused.
    """
    chosen = find_same(list_registered(name, tracking_uri), stored_as, content)
    if chosen is None:
        return None
    uri = chosen_uri(tracking_uri)
    with explained(f"promoting {name!r}", uri):
        client = make_client(uri)
        client.set_registered_model_alias(name, CHAMPION, str(chosen.version))
        if _aliases(client, name).get(CHALLENGER) == chosen.version:
            client.delete_registered_model_alias(name, CHALLENGER)
        if because:
            client.set_model_version_tag(name, str(chosen.version), "leadml.because", because[:1000])
    return replace(chosen, champion=True)


def find_same(
    versions: list[RegisteredCard], stored_as: str, content: str | None = None
) -> RegisteredCard | None:
    """Find the registered version that is a stored card.

    Parameters
    ----------
    versions : list of RegisteredCard
        Of one model, the oldest first.
    stored_as : str
        ``NAME@VERSION`` in the local store.
    content : str, optional
        Digest of what the card holds.

    Returns
    -------
    RegisteredCard or None
        The newest that holds the same, best of the same name; by name alone where a digest is not known.

    Examples
    --------
    >>> versions = [RegisteredCard("a", 1, False, "a@1", "x"), RegisteredCard("a", 2, False, "a@1", "y")]
    >>> find_same(versions, "a@1", "x").version, find_same(versions, "a@1").version
    (1, 2)
    """

    def likeness(each: RegisteredCard) -> tuple[bool, bool, int]:
        return each.content is not None and each.content == content, each.stored_as == stored_as, each.version

    def is_same(each: RegisteredCard) -> bool:
        if content is None or each.content is None:
            return each.stored_as == stored_as
        return each.content == content

    return max(filter(is_same, versions), key=likeness, default=None)


def unset_champion(name: str, tracking_uri: str | None = None) -> None:
    """Leave a registered model without a champion.

    Parameters
    ----------
    name : str
        The registered model.
    tracking_uri : str, optional
        Where it is kept.
    """
    if list_registered(name, tracking_uri):
        uri = chosen_uri(tracking_uri)
        with explained(f"retiring the champion of {name!r}", uri), contextlib.suppress(KeyError):
            make_client(uri).delete_registered_model_alias(name, CHAMPION)


def _described(version: Any, in_use: int | None) -> RegisteredCard:
    """Describe what MLflow calls a model version."""
    number = int(version.version)
    tags = version.tags or {}
    return RegisteredCard(
        version.name, number, number == in_use, tags.get(_SAME_AS), tags.get(_CONTENT), version.run_id
    )


def _versions(client: MlflowClient, name: str) -> list[Any]:
    return list(client.search_model_versions(f"name = '{name}'", max_results=10_000))


def _aliases(client: MlflowClient, name: str) -> dict[str, int]:
    """Give the version of each alias; none where there is no such model."""
    from mlflow.exceptions import MlflowException

    try:
        found = client.get_registered_model(name).aliases
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return {}
    return {alias: int(version) for alias, version in found.items()}
