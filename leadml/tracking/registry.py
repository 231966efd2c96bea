"""The registry: versions of a model, which one is the champion, and whether the local store agrees."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
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
        ``NAME@VERSION`` of the same card in the local store.
    """

    name: str
    version: int
    champion: bool
    stored_as: str | None = None


def register(
    run: TrackedRun,
    name: str,
    *,
    stored_as: str | None = None,
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
            tags = {_SAME_AS: stored_as} if stored_as else {}
            made = client.create_model_version(
                name, source, run.run_id, tags=tags, description=description, model_id=run.model_id
            )
        version = int(made.version)
        in_use = _aliases(client, name).get(CHAMPION)
        first = in_use is None if champion is None else champion
        if first:
            client.set_registered_model_alias(name, CHAMPION, str(version))
        elif in_use != version:
            client.set_registered_model_alias(name, CHALLENGER, str(version))
    return RegisteredCard(name, version, first or in_use == version, stored_as)


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
        found = [
            RegisteredCard(name, int(each.version), int(each.version) == in_use, each.tags.get(_SAME_AS))
            for each in _versions(client, name)
        ]
    return sorted(found, key=lambda each: each.version)


def point_champion(
    name: str, stored_as: str, because: str | None = None, tracking_uri: str | None = None
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

    Returns
    -------
    RegisteredCard or None
        The champion; None where no registered version is that card.

    Raises
    ------
    TrackingError
        MLflow could not be reached, or refused.
    """
    known = [each for each in list_registered(name, tracking_uri) if each.stored_as == stored_as]
    if not known:
        return None
    chosen, uri = known[-1], chosen_uri(tracking_uri)
    with explained(f"promoting {name!r}", uri):
        client = make_client(uri)
        client.set_registered_model_alias(name, CHAMPION, str(chosen.version))
        if _aliases(client, name).get(CHALLENGER) == chosen.version:
            client.delete_registered_model_alias(name, CHALLENGER)
        if because:
            client.set_model_version_tag(name, str(chosen.version), "leadml.because", because[:1000])
    return RegisteredCard(name, chosen.version, True, stored_as)


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
