"""Remarks: sentences on a definition that is stored and will do nothing, or less."""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence

from keyrelay.model.action import Action
from keyrelay.model.action_document import ActionRules
from keyrelay.model.analysis import (
    RunOn,
    ScriptedAnalysis,
    looks_like_credential,
    require_runnable,
)
from keyrelay.model.catalog import Catalog
from keyrelay.model.documents import InvalidDefinition
from keyrelay.model.policy.policy import Denial, Policy, explain
from keyrelay.model.policy.policy_document import kinds_elsewhere, parse_policy
from keyrelay.model.run_analyses import RunAnalyses
from keyrelay.model.uploaded_script import version_of
from keyrelay.ports import Unavailable
from keyrelay.stores.definitions.analyses import AnalysisStore
from keyrelay.stores.definitions.stored_document import StoredDocument
from keyrelay.stores.runs.hosts import RunHosts


async def on_stored_action(
    rules: ActionRules,
    catalog: Callable[[], Awaitable[Catalog]],
    profile: str,
    stored: StoredDocument,
) -> Sequence[str]:
    """Return the remarks on an action that is stored; none on its secret if sealed.

    `catalog` returns what a worker would see of the definitions now.
    """
    try:
        action = rules.parse(stored.document, stored.id, profile)
    except InvalidDefinition as fault:
        return (_unread(fault),)
    try:
        seen = await catalog()
    except Unavailable:  # a remark that cannot be made refuses nothing
        return action.instruction.remarks
    return on_action(action, stored.document, seen)


def on_stored_policy(profile: str, stored: StoredDocument) -> Sequence[str]:
    """Return the remarks on a policy that is stored."""
    try:
        policy = parse_policy(stored.document, stored.id, profile)
    except InvalidDefinition as fault:
        return (_unread(fault),)
    return on_policy(policy)


async def on_stored_analysis(
    analyses: AnalysisStore, hosts: RunHosts, profile: str, stored: StoredDocument
) -> Sequence[str]:
    """Return the remarks on an analysis that is stored; none where it is unreadable."""
    scripted = (await analyses.scripted(profile, [stored.id])).get(stored.id)
    if scripted is None:
        return ()
    waits = await unhosted(scripted, hosts)
    return (*on_analysis(scripted), *(() if waits is None else (waits,)))


async def unhosted(scripted: ScriptedAnalysis, hosts: RunHosts) -> str | None:
    """Say that no process hosts the script of a hosted analysis; None, one does.

    None as well for an analysis that would not be run by any.
    """
    if scripted.analysis.run_on is not RunOn.HOSTED or scripted.version is None:
        return None
    language = version_of(scripted.versions, scripted.version).language
    if not (scripted.analysis.active and language.is_run):
        return None
    try:
        alive = await hosts.alive()
    except Unavailable:  # a remark that cannot be made refuses nothing
        return None
    if any(language in each.languages for each in alive):
        return None
    return (
        f"no process that is alive hosts scripts for {language}: start `keyrelay up`,"
        " or a worker with KEYRELAY_ANALYSES=hosted, where bubblewrap is installed"
    )


def on_action(
    action: Action, document: Mapping[str, object], catalog: Catalog
) -> tuple[str, ...]:
    """Return what a person should know of an action and of how it is read.

    `document` is what the action was read from; `catalog` is no older than it.
    """
    return (*action.instruction.remarks, *_on_action(action, document, catalog))


def on_policy(policy: Policy) -> tuple[str, ...]:
    """Return what a person should know of a policy that decides less than it says."""
    return tuple(_on_policy(policy))


def on_analysis(scripted: ScriptedAnalysis) -> tuple[str, ...]:
    """Return what a person should know of an analysis: why it is not run, for one."""
    return tuple(_on_analysis(scripted))


def _on_action(
    action: Action, document: Mapping[str, object], catalog: Catalog
) -> Iterator[str]:
    if not action.active:
        yield "it is inactive: its triggers become dead letters"
    if action.locked:
        yield "it is locked: its triggers are settled without being performed"
    if document.get("trigger") and not action.occasion.times:
        yield (
            "its conditions in `trigger` are kept, and never evaluated here: a program"
            " publishes its triggers"
        )
    for reason in unrunnable(catalog, action):
        yield f"one of its analyses is not run: {reason}"
    unreleased = _unreleased(action, catalog)
    if unreleased is not None:
        yield f"its secret is not released to it: {unreleased}"


def unrunnable(catalog: Catalog, action: Action) -> Iterator[str]:
    """Say of each analysis that the action names and cannot run why."""
    if not isinstance(action.instruction, RunAnalyses):
        return
    profile = action.tagged.profile
    for id_ in action.instruction.analyses:
        scripted = catalog.analyses.get((profile, id_))
        if scripted is None:
            yield catalog.absence("analysis", profile, id_)
            continue
        try:
            require_runnable(scripted)
        except InvalidDefinition as fault:
            yield str(fault)


def _unreleased(action: Action, catalog: Catalog) -> str | None:
    """Say why no worker would be given the action's secret; None, it would."""
    profile, id_ = action.tagged.profile, action.instruction.secret
    closed = catalog.omitted.profiles.get(profile)
    if closed is not None:
        return closed
    if id_ is None:
        return None
    sealed = catalog.secrets.get((profile, id_))
    if sealed is None:
        return catalog.absence("secret", profile, id_)
    policies = catalog.policies_of(profile)
    explanation = explain(policies, action.tagged, sealed.secret.tagged)
    return explanation.reason if isinstance(explanation, Denial) else None


def _on_analysis(scripted: ScriptedAnalysis) -> Iterator[str]:
    analysis = scripted.analysis
    if not analysis.active:
        yield "it is inactive, and is not run"
    if analysis.run_on is RunOn.HOSTED:
        yield from _on_script(scripted)
    for variable in analysis.variables:
        if looks_like_credential(variable):
            yield (
                f"its variable {variable.key} looks like a credential: variables are"
                " not secrets, and tokens that may write read them; make it a secret,"
                " and let a policy release it"
            )


def _on_script(scripted: ScriptedAnalysis) -> Iterator[str]:
    if scripted.version is None:
        yield "it has no script yet: upload one"
        return
    language = version_of(scripted.versions, scripted.version).language
    if not language.is_run:
        yield f"scripts for {language} are kept, and not run"


def _on_policy(policy: Policy) -> Iterator[str]:
    if not policy.active:
        yield "it is inactive, and counts for nothing"
    for name, tuples in (
        ("targets", policy.targets),
        ("permissions", policy.permissions),
    ):
        if not tuples:
            yield f"it has no {name}, and matches nothing"
    idle = [each for each in policy.permissions if not each.verbs]
    if idle:
        yield "a permission of it lists no action, and matches nothing"
    elsewhere = kinds_elsewhere(policy)
    if elsewhere:
        yield f"it names kinds that match nothing here: {', '.join(elsewhere)}"


def _unread(fault: InvalidDefinition) -> str:
    return f"no worker can read it: {fault}"
