"""One function per name pattern, so that a name is spelled in one place."""


def stack(stage: str) -> str:
    """The stack of a stage, and the prefix of every name in it: `museway-prod`."""
    return f"museway-{stage}"


def function(stage: str, name: str) -> str:
    """A Lambda function: `museway-prod-submission`; also its service name in logs and metrics."""
    return f"{stack(stage)}-{name}"


def function_logs(stage: str, name: str) -> str:
    """The log group of a function, where Lambda looks for it by default."""
    return f"/aws/lambda/{function(stage, name)}"


def state_machine(stage: str) -> str:
    """The state machine of generations."""
    return f"{stack(stage)}-generation"


def vended_logs(stage: str, service: str) -> str:
    """A log group written by an AWS service; the prefix keeps the account's log policy from growing."""
    return f"/aws/vendedlogs/{service}/{stack(stage)}"


def logical_id(name: str) -> str:
    """A construct id from a name: `submit_attempt` -> `SubmitAttempt`."""
    return "".join(part.capitalize() for part in name.replace("-", "_").split("_"))
