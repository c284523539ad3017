"""What is served of W&B's GraphQL schema: accounts, projects, runs and files. Anything else is refused as unknown."""

from __future__ import annotations

CORE = """
scalar JSON
scalar JSONString
scalar Int64
scalar DateTime
scalar Duration

type Query {
  viewer: User
  serverInfo: ServerInfo
  entity(name: String): Entity
  organization(name: String!): Organization
  users(query: String, first: Int, after: String): UserConnection
  project(name: String, entityName: String): Project
  model(name: String, entityName: String): Project
  models(entityName: String, first: Int, after: String): ProjectConnection
}

type Mutation {
  upsertModel(input: UpsertModelInput!): UpsertModelPayload
  upsertBucket(input: UpsertBucketInput!): UpsertBucketPayload
  rewindRun(input: RewindRunInput!): RewindRunPayload
  updateRunState(input: UpdateRunStateInput!): SuccessPayload
  stopRun(input: StopRunInput!): SuccessPayload
  deleteRun(input: DeleteRunInput!): DeleteRunPayload
  createRunFiles(input: CreateRunFilesInput!): CreateRunFilesPayload
  markRunFilesUploaded(input: MarkRunFilesUploadedInput!): SuccessPayload
  deleteFiles(input: DeleteFilesInput!): SuccessPayload
}

type PageInfo {
  startCursor: String
  endCursor: String
  hasNextPage: Boolean!
  hasPreviousPage: Boolean!
}

type ServerInfo {
  features: [ServerFeature!]!
  latestLocalVersionInfo: JSON
}
type ServerFeature { name: String!, isEnabled: Boolean! }

type User {
  id: ID!
  name: String
  username: String
  email: String
  admin: Boolean
  flags: JSONString
  entity: String
  deletedAt: DateTime
  apiKeys: ApiKeyConnection
  teams: EntityConnection
}
type UserConnection { edges: [UserEdge!]!, pageInfo: PageInfo! }
type UserEdge { node: User!, cursor: String! }
type ApiKey { id: ID!, name: String, description: String }
type ApiKeyConnection { edges: [ApiKeyEdge!]! }
type ApiKeyEdge { node: ApiKey! }

type Entity {
  id: ID!
  name: String!
  available: Boolean
  photoUrl: String
  readOnly: Boolean
  readOnlyAdmin: Boolean
  isTeam: Boolean!
  entityType: String
  privateOnly: Boolean
  storageBytes: Int64
  codeSavingEnabled: Boolean
  defaultAccess: String
  isPaid: Boolean
  xxhashDigestsEnabled: Boolean
  members: [Member!]!
  organization: Organization
  project(name: String): Project
  projects(first: Int, after: String): ProjectConnection
}
type EntityConnection { edges: [EntityEdge!]! }
type EntityEdge { node: Entity! }
type Member {
  id: ID!
  admin: Boolean
  pending: Boolean
  email: String
  username: String
  name: String
  photoUrl: String
  accountType: String
  apiKey: String
}
type Organization {
  id: ID!
  name: String!
  orgEntity: Entity
  coreWeaveOrganizationId: String
  featureFlags(rampIDType: RampIDType): [FeatureFlag!]!
}
enum RampIDType { OrgName UserName }
type FeatureFlag { rampKey: String!, isEnabled: Boolean! }

type Project {
  id: ID!
  internalId: ID!
  name: String!
  entityName: String!
  entity: Entity!
  user: User
  description: String
  access: String
  views: JSONString
  createdAt: DateTime!
  isBenchmark: Boolean!
  readOnly: Boolean
  runCount(filters: JSONString): Int!
  run(name: String!): Run
  bucket(name: String!, missingOk: Boolean): Run
  runs(filters: JSONString, order: String, first: Int, after: String, last: Int, before: String): RunConnection
  sweep(sweepName: String!): Sweep
}
type ProjectConnection { edges: [ProjectEdge!]!, pageInfo: PageInfo! }
type ProjectEdge { node: Project!, cursor: String! }

"Sweeps are not served; the type is there because clients ask whether a run belongs to one."
type Sweep { id: ID!, name: String!, state: String, config: String, displayName: String }

type Run {
  id: ID!
  name: String!
  displayName: String
  description: String
  notes: String
  state: String!
  stopped: Boolean!
  config: JSONString
  summaryMetrics: JSONString
  systemMetrics: JSONString
  wandbConfig(keys: [String!]): JSONString
  tags: [String!]
  group: String
  jobType: String
  commit: String
  host: String
  program: String
  sweepName: String
  readOnly: Boolean
  createdAt: DateTime!
  updatedAt: DateTime!
  heartbeatAt: DateTime
  user: User
  projectId: Int!
  project: Project!
  historyLineCount: Int!
  eventsLineCount: Int!
  logLineCount: Int!
  historyTail: JSONString
  eventsTail: JSONString
  historyKeys: JSON
  history(samples: Int, minStep: Int64, maxStep: Int64): [JSONString!]!
  events(samples: Int, minStep: Int64, maxStep: Int64): [JSONString!]!
  sampledHistory(specs: [JSONString!]!): [JSON!]!
  parquetHistory(liveKeys: [String!]!): ParquetHistory
  logLines(first: Int, after: String, last: Int, useImprovedPagination: Boolean): LogLineConnection
  fileCount: Int!
  files(names: [String], first: Int, after: String, pattern: String): FileConnection
}
type RunConnection { edges: [RunEdge!]!, pageInfo: PageInfo!, totalCount: Int! }
type RunEdge { node: Run!, cursor: String! }
type ParquetHistory { parquetUrls: [String!]!, liveData: [JSON!]! }
type LogLine { number: Int!, timestamp: String, level: String, label: String, line: String! }
type LogLineEdge { node: LogLine!, cursor: String! }
type LogLineConnection { edges: [LogLineEdge!]!, pageInfo: PageInfo! }
type File {
  id: ID!
  name: String!
  url(upload: Boolean): String
  directUrl: String
  uploadUrl: String
  uploadHeaders: [String!]!
  sizeBytes: Int64
  mimetype: String
  updatedAt: DateTime
  md5: String
}
type FileEdge { node: File!, cursor: String! }
type FileConnection { edges: [FileEdge!]!, pageInfo: PageInfo!, totalCount: Int! }

type SuccessPayload { success: Boolean!, clientMutationId: String }
input UpsertModelInput {
  id: String
  name: String
  entityName: String
  description: String
  access: String
  views: JSONString
  framework: String
  isBenchmark: Boolean
  isPublished: Boolean
  owner: ID
  repo: String
  dockerImage: String
  allowAllArtifactTypesInRegistry: Boolean
  artifactTypes: JSON
  icon: JSON
  rateLimits: JSON
  clientMutationId: String
}
type UpsertModelPayload { project: Project, model: Project, inserted: Boolean, clientMutationId: String }
input UpsertBucketInput {
  id: String
  name: String
  groupName: String
  modelName: String
  entityName: String
  description: String
  displayName: String
  notes: String
  config: JSONString
  commit: String
  host: String
  debug: Boolean
  jobProgram: String
  jobRepo: String
  jobType: String
  state: String
  sweep: String
  tags: [String!]
  summaryMetrics: JSONString
  clientMutationId: String
}
type UpsertBucketPayload { bucket: Run, inserted: Boolean, clientMutationId: String }
input RewindRunInput {
  runName: String!
  entityName: String
  projectName: String
  metricName: String!
  metricValue: Float!
  clientMutationId: String
}
type RewindRunPayload { rewoundRun: Run, clientMutationId: String }
input UpdateRunStateInput { id: ID!, state: String!, clientMutationId: String }
input StopRunInput { id: ID!, clientMutationId: String }
input DeleteRunInput { id: ID!, deleteArtifacts: Boolean, clientMutationId: String }
type DeleteRunPayload { success: Boolean, clientMutationId: String }
input CreateRunFilesInput {
  entityName: String!
  projectName: String!
  runName: String!
  files: [String!]!
  clientMutationId: String
}
type CreateRunFilesPayload { runID: ID!, uploadHeaders: [String!]!, files: [File!]!, clientMutationId: String }
input MarkRunFilesUploadedInput {
  entityName: String!
  projectName: String!
  runName: String!
  files: [String!]!
  clientMutationId: String
}
input DeleteFilesInput { files: [ID!]!, projectId: Int, clientMutationId: String }
"""
