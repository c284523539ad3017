"""The GraphQL of W&B Launch that we use, word for word as W&B's own client sends it, or a part of it.

From wandb 0.31: sdk/launch/api.py (push, pop, acknowledge, fail, agents), apis/public/jobs.py (queues, items, their
deletion), apis/public/api.py:upsert_run_queue (whose mutation is compiled into wandb-core), and
apis/_generated/operations.py (the project that queues live in). Fields of OPTIONAL are in W&B's schema and not asked
for by its client: a server that does not know one ("Cannot query field …") is asked again without it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

PROJECT = "model-registry"
"""Every queue and agent is in it (wandb 0.31, sdk/launch/utils.py:LAUNCH_DEFAULT_PROJECT)."""

RESOURCE = "gcp-vertex"

OPTIONAL: Mapping[str, str] = {
    "createdAt": "createdAt",
    "launchAgentId": "launchAgentId",
    "runSpec": "runSpec",
    "error": "error { message stage }",
    "agentConfig": "agentConfig",
    "version": "version",
}
"""Field -> how it is asked for."""

_ITEM = ("createdAt", "launchAgentId", "runSpec", "error")
_AGENT = ("agentConfig", "version")

VIEWER = "query Viewer { viewer { id entity username } }"

CREATE_PROJECT = """
mutation CreateProject($input: UpsertModelInput!) { upsertModel(input: $input) { model { id name } inserted } }
"""

QUEUE = """
query GetRunQueueMetadata($projectName: String!, $entityName: String!, $runQueue: String!) {
  project(name: $projectName, entityName: $entityName) {
    runQueue(name: $runQueue) { id access defaultResourceConfigID prioritizationMode externalLinks }
  }
}
"""

RESOURCE_CONFIG = """
query GetDefaultResourceConfig($entityName: String!, $id: ID!) {
  entity(name: $entityName) {
    defaultResourceConfig(id: $id) { config resource templateVariables { name schema } }
  }
}
"""

UPSERT_QUEUE = """
mutation UpsertRunQueue($entityName: String!, $projectName: String!, $queueName: String!, $resourceType: String!,
    $resourceConfig: JSONString!, $templateVariables: JSONString, $prioritizationMode: RunQueuePrioritizationMode,
    $externalLinks: JSONString, $clientMutationId: String) {
  upsertRunQueue(input: {entityName: $entityName, projectName: $projectName, queueName: $queueName,
      resourceType: $resourceType, resourceConfig: $resourceConfig, templateVariables: $templateVariables,
      prioritizationMode: $prioritizationMode, externalLinks: $externalLinks, clientMutationId: $clientMutationId}) {
    success
    configSchemaValidationErrors
  }
}
"""

DELETE_QUEUE = """
mutation DeleteRunQueue($id: ID!) { deleteRunQueues(input: {queueIDs: [$id]}) { success clientMutationId } }
"""

PUSH = """
mutation pushToRunQueueByName($entityName: String!, $projectName: String!, $queueName: String!, $runSpec: JSONString!,
    $templateVariableValues: JSONString) {
  pushToRunQueueByName(input: {entityName: $entityName, projectName: $projectName, queueName: $queueName,
      runSpec: $runSpec, templateVariableValues: $templateVariableValues}) {
    runQueueItemId
    runSpec
  }
}
"""

POP = """
mutation popFromRunQueue($entity: String!, $project: String!, $queueName: String!, $launchAgentId: ID) {
  popFromRunQueue(input: {entityName: $entity, projectName: $project, queueName: $queueName,
      launchAgentId: $launchAgentId}) {
    runQueueItemId
    runSpec
  }
}
"""

ACKNOWLEDGE = """
mutation ackRunQueueItem($itemId: ID!, $runId: String!) {
  ackRunQueueItem(input: {runQueueItemId: $itemId, runName: $runId}) { success }
}
"""

FAIL = """
mutation failRunQueueItem($runQueueItemId: ID!, $message: String!, $stage: String!, $filePaths: [String!]) {
  failRunQueueItem(input: {runQueueItemId: $runQueueItemId, message: $message, stage: $stage,
      filePaths: $filePaths}) {
    success
  }
}
"""

REMOVE = """
mutation DeleteFromRunQueue($queueID: ID!, $runQueueItemId: ID!) {
  deleteFromRunQueue(input: {queueID: $queueID, runQueueItemId: $runQueueItemId}) { success clientMutationId }
}
"""

CREATE_AGENT = """
mutation createLaunchAgent($entity: String!, $project: String!, $queues: [ID!]!, $hostname: String!,
    $agentConfig: JSONString, $version: String) {
  createLaunchAgent(input: {entityName: $entity, projectName: $project, runQueues: $queues, hostname: $hostname,
      agentConfig: $agentConfig, version: $version}) {
    launchAgentId
  }
}
"""

UPDATE_AGENT = """
mutation updateLaunchAgent($agentId: ID!, $agentStatus: String) {
  updateLaunchAgent(input: {launchAgentId: $agentId, agentStatus: $agentStatus}) { success }
}
"""


def item(without: Collection[str]) -> str:
    return f"""
query GetRunQueueItem($projectName: String!, $entityName: String!, $runQueue: String!, $itemId: ID!) {{
  project(name: $projectName, entityName: $entityName) {{
    runQueue(name: $runQueue) {{ id runQueueItem(id: $itemId) {{ {_item_fields(without)} }} }}
  }}
}}
"""


def items(without: Collection[str]) -> str:
    return f"""
query GetRunQueueItems($projectName: String!, $entityName: String!, $runQueue: String!, $first: Int, $after: String) {{
  project(name: $projectName, entityName: $entityName) {{
    runQueue(name: $runQueue) {{
      id
      runQueueItems(first: $first, after: $after) {{
        edges {{ node {{ {_item_fields(without)} }} }}
        pageInfo {{ endCursor hasNextPage }}
      }}
    }}
  }}
}}
"""


def agent(without: Collection[str]) -> str:
    return f"query LaunchAgent($agentId: ID!) {{ launchAgent(id: $agentId) {{ {_agent_fields(without)} }} }}"


def agents(without: Collection[str]) -> str:
    return f"""
query ProjectLaunchAgents($entity: String!, $projectName: String!) {{
  project(entityName: $entity, name: $projectName) {{ launchAgents {{ {_agent_fields(without)} }} }}
}}
"""


def run_states(count: int) -> str:
    """The states of so many runs of one project, in one request: variables $r0, $r1, …"""
    variables = ", ".join(f"$r{n}: String!" for n in range(count))
    runs = " ".join(f"r{n}: run(name: $r{n}) {{ name state }}" for n in range(count))
    return f"""
query RunStates($entity: String!, $project: String!, {variables}) {{
  project(entityName: $entity, name: $project) {{ {runs} }}
}}
"""


def _item_fields(without: Collection[str]) -> str:
    return " ".join(["id", "state", "associatedRunId", *_known(_ITEM, without)])


def _agent_fields(without: Collection[str]) -> str:
    always = ("id", "name", "runQueues", "hostname", "agentStatus", "stopPolling", "heartbeatAt")
    return " ".join([*always, *_known(_AGENT, without)])


def _known(fields: Collection[str], without: Collection[str]) -> list[str]:
    return [OPTIONAL[field] for field in fields if field not in without]
