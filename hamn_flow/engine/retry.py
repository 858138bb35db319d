"""How often a step is tried and how long is waited between: a tenacity policy made from cluster.toml's."""

from __future__ import annotations

from collections.abc import Callable

from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential

from hamn_flow.errors import HamnError
from hamn_flow.model.pair import Policy
from hamn_flow.steps.step import Failure


class GoalMissed(HamnError):
    """One attempt did not reach its goal; the policy decides whether there is another."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.probe.reason, hint=failure.probe.hint)
        self.failure = failure


def attempts(
    policy: Policy,
    *,
    spent: int,
    sleep: Callable[[float], None],
    before_sleep: Callable[[GoalMissed, float], None],
) -> Retrying:
    """Attempts left of the budget, `spent` of it before a kill included, with growing waits between them.

    `before_sleep` is told each failed attempt that is followed by another, with the seconds until then.
    """

    def tell(state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, GoalMissed):
            before_sleep(error, state.next_action.sleep if state.next_action else 0.0)

    return Retrying(
        stop=stop_after_attempt(max(1, policy.attempts - spent)),
        wait=wait_exponential(multiplier=policy.first_wait, max=policy.longest_wait),
        retry=retry_if_exception_type(GoalMissed),
        sleep=sleep,
        before_sleep=tell,
        reraise=True,
    )
