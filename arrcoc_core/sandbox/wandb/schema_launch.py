"""What is served of W&B's GraphQL schema for Launch. A server without Launch has none of it."""

from __future__ import annotations

LAUNCH = """
extend type Query { launchAgent(id: ID!): LaunchAgent }
extend type Entity { defaultResourceConfig(id: ID!): DefaultResourceConfig }
extend type Project {
  runQueues: [RunQueue!]!
  runQueue(name: String!): RunQueue
  launchAgents: [LaunchAgent!]!
}
extend type Mutation {
  createDefaultResourceConfig(input: CreateDefaultResourceConfigInput!): CreateDefaultResourceConfigPayload
  createRunQueue(input: CreateRunQueueInput!): CreateRunQueuePayload
  upsertRunQueue(input: UpsertRunQueueInput!): UpsertRunQueuePayload
  deleteRunQueues(input: DeleteRunQueuesInput!): SuccessPayload
  pushToRunQueue(input: PushToRunQueueInput!): PushToRunQueuePayload
  pushToRunQueueByName(input: PushToRunQueueByNameInput!): PushToRunQueueByNamePayload
  popFromRunQueue(input: PopFromRunQueueInput!): PopFromRunQueuePayload
  ackRunQueueItem(input: AckRunQueueItemInput!): SuccessPayload
  failRunQueueItem(input: FailRunQueueItemInput!): SuccessPayload
  updateRunQueueItemWarning(input: UpdateRunQueueItemWarningInput!): SuccessPayload
  deleteFromRunQueue(input: DeleteFromRunQueueInput!): SuccessPayload
  createLaunchAgent(input: CreateLaunchAgentInput!): CreateLaunchAgentPayload
  updateLaunchAgent(input: UpdateLaunchAgentInput!): SuccessPayload
}

enum RunQueueAccessType { PROJECT USER }
enum RunQueuePrioritizationMode { DISABLED V0 }
enum RunQueueItemState { PENDING LEASED CLAIMED FAILED }

type DefaultResourceConfig {
  id: ID!
  resource: String!
  config: JSON!
  templateVariables: [TemplateVariable!]!
}
type TemplateVariable { name: String!, schema: JSONString! }
type RunQueue {
  id: ID!
  name: String!
  createdBy: String
  createdAt: DateTime!
  access: RunQueueAccessType!
  prioritizationMode: RunQueuePrioritizationMode!
  defaultResourceConfigID: ID
  defaultResourceConfig: DefaultResourceConfig
  externalLinks: JSON
  runQueueItem(id: ID!): RunQueueItem
  runQueueItems(first: Int, after: String): RunQueueItemConnection!
}
type RunQueueItem {
  id: ID!
  state: RunQueueItemState!
  associatedRunId: String
  launchAgentId: ID
  createdAt: DateTime!
  updatedAt: DateTime!
  priority: Int
  runSpec: JSON!
  error: RunQueueItemError
  warnings: [RunQueueItemError!]!
}
type RunQueueItemError { message: String!, stage: String, filePaths: [String!] }
type RunQueueItemEdge { node: RunQueueItem!, cursor: String! }
type RunQueueItemConnection { edges: [RunQueueItemEdge!]!, pageInfo: PageInfo!, totalCount: Int! }
type LaunchAgent {
  id: ID!
  name: String
  hostname: String
  runQueues: [ID!]!
  agentStatus: String
  stopPolling: Boolean!
  createdAt: DateTime!
  heartbeatAt: DateTime
  agentConfig: JSONString
  version: String
}

input CreateDefaultResourceConfigInput {
  entityName: String!
  resource: String!
  config: JSONString!
  templateVariables: JSONString
  clientMutationId: String
}
type CreateDefaultResourceConfigPayload { defaultResourceConfigID: ID, success: Boolean!, clientMutationId: String }
input CreateRunQueueInput {
  entityName: String!
  projectName: String!
  queueName: String!
  access: RunQueueAccessType!
  prioritizationMode: RunQueuePrioritizationMode
  defaultResourceConfigID: ID
  clientMutationId: String
}
type CreateRunQueuePayload { success: Boolean!, queueID: ID, clientMutationId: String }
input UpsertRunQueueInput {
  entityName: String!
  projectName: String!
  queueName: String!
  resourceType: String!
  resourceConfig: JSONString!
  templateVariables: JSONString
  prioritizationMode: RunQueuePrioritizationMode
  externalLinks: JSONString
  clientMutationId: String
}
type UpsertRunQueuePayload { success: Boolean!, configSchemaValidationErrors: [String!], clientMutationId: String }
input DeleteRunQueuesInput { queueIDs: [ID!]!, clientMutationId: String }
input PushToRunQueueInput {
  queueID: ID!
  runSpec: JSONString!
  templateVariableValues: JSONString
  priority: Int
  clientMutationId: String
}
type PushToRunQueuePayload { runQueueItemId: ID!, clientMutationId: String }
input PushToRunQueueByNameInput {
  entityName: String!
  projectName: String!
  queueName: String!
  runSpec: JSONString!
  templateVariableValues: JSONString
  priority: Int
  clientMutationId: String
}
type PushToRunQueueByNamePayload { runQueueItemId: ID!, runSpec: JSONString!, clientMutationId: String }
input PopFromRunQueueInput {
  entityName: String!
  projectName: String!
  queueName: String!
  launchAgentId: ID
  clientMutationId: String
}
type PopFromRunQueuePayload { runQueueItemId: ID!, runSpec: JSON!, clientMutationId: String }
input AckRunQueueItemInput { runQueueItemId: ID!, runName: String!, clientMutationId: String }
input FailRunQueueItemInput {
  runQueueItemId: ID!
  message: String!
  stage: String!
  filePaths: [String!]
  clientMutationId: String
}
input UpdateRunQueueItemWarningInput {
  runQueueItemId: ID!
  message: String!
  stage: String!
  filePaths: [String!]
  clientMutationId: String
}
input DeleteFromRunQueueInput { queueID: ID!, runQueueItemId: ID!, clientMutationId: String }
input CreateLaunchAgentInput {
  entityName: String!
  projectName: String!
  runQueues: [ID!]!
  hostname: String!
  agentConfig: JSONString
  version: String
  clientMutationId: String
}
type CreateLaunchAgentPayload { launchAgentId: ID!, clientMutationId: String }
input UpdateLaunchAgentInput { launchAgentId: ID!, agentStatus: String, clientMutationId: String }
"""
