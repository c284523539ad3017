"""What is served of W&B's GraphQL schema for artifacts: sequences of versions, their files and manifests, aliases."""

from __future__ import annotations

ARTIFACTS = """
extend type Query {
  artifact(id: ID!): Artifact
  clientIDMapping(clientID: ID!): ClientIDMapping
}
extend type Project {
  artifact(name: String!): Artifact
  artifactCollectionMembership(name: String!): ArtifactCollectionMembership
  artifactType(name: String!): ArtifactType
  artifactTypes(first: Int, after: String): ArtifactTypeConnection!
  artifactCollection(name: String!): ArtifactCollection
  artifactCollections(first: Int, after: String, filters: JSONString, order: String): ArtifactCollectionConnection!
}
extend type Run {
  outputArtifacts(first: Int, after: String): ArtifactConnection!
  inputArtifacts(first: Int, after: String): ArtifactConnection!
}
extend type Mutation {
  createArtifact(input: CreateArtifactInput!): CreateArtifactPayload
  createArtifactManifest(input: CreateArtifactManifestInput!): ArtifactManifestPayload
  updateArtifactManifest(input: UpdateArtifactManifestInput!): ArtifactManifestPayload
  createArtifactFiles(input: CreateArtifactFilesInput!): CreateArtifactFilesPayload
  commitArtifact(input: CommitArtifactInput!): ArtifactPayload
  updateArtifact(input: UpdateArtifactInput!): ArtifactPayload
  deleteArtifact(input: DeleteArtifactInput!): ArtifactPayload
  useArtifact(input: UseArtifactInput!): ArtifactPayload
  addAliases(input: AddAliasesInput!): SuccessPayload
  deleteAliases(input: DeleteAliasesInput!): SuccessPayload
}

enum ArtifactState { PENDING COMMITTED DELETED }
enum ArtifactDigestAlgorithm { MANIFEST_MD5 MANIFEST_XXH64 MANIFEST_XXH128 }
enum ArtifactManifestType { FULL PATCH INCREMENTAL }
enum ArtifactStorageLayout { V1 V2 }

type ClientIDMapping { serverID: ID! }
type ArtifactType {
  id: ID!
  name: String!
  description: String
  createdAt: DateTime
  artifactCollection(name: String!): ArtifactCollection
  artifactCollections(first: Int, after: String, filters: JSONString, order: String): ArtifactCollectionConnection!
}
type ArtifactTypeEdge { node: ArtifactType!, cursor: String! }
type ArtifactTypeConnection { edges: [ArtifactTypeEdge!]!, pageInfo: PageInfo!, totalCount: Int! }
interface ArtifactCollection {
  id: ID!
  name: String!
  description: String
  createdAt: DateTime!
  updatedAt: DateTime
  state: String
  project: Project
  defaultArtifactType: ArtifactType!
  tags(first: Int, after: String): TagConnection!
  latestArtifact: Artifact
  artifactMembership(aliasName: String!): ArtifactCollectionMembership
  artifacts(first: Int, after: String, order: String, filters: JSONString): VersionedArtifactConnection!
}
type ArtifactSequence implements ArtifactCollection {
  id: ID!
  name: String!
  description: String
  createdAt: DateTime!
  updatedAt: DateTime
  state: String
  digestAlgorithm: ArtifactDigestAlgorithm
  project: Project
  defaultArtifactType: ArtifactType!
  tags(first: Int, after: String): TagConnection!
  latestArtifact: Artifact
  artifactMembership(aliasName: String!): ArtifactCollectionMembership
  artifacts(first: Int, after: String, order: String, filters: JSONString): VersionedArtifactConnection!
}
type ArtifactCollectionEdge { node: ArtifactCollection!, cursor: String! }
type ArtifactCollectionConnection { edges: [ArtifactCollectionEdge!]!, pageInfo: PageInfo!, totalCount: Int! }
type ArtifactCollectionMembership {
  id: ID!
  versionIndex: Int
  createdAt: DateTime
  aliases: [ArtifactAlias!]!
  artifactCollection: ArtifactCollection
  artifact: Artifact
  files(names: [String!], first: Int, after: String): FileConnection!
}
type ArtifactCollectionMembershipEdge { node: ArtifactCollectionMembership! }
type ArtifactCollectionMembershipConnection { edges: [ArtifactCollectionMembershipEdge!]! }
type ArtifactAlias { id: ID!, alias: String!, artifactCollection: ArtifactCollection }
type Tag { id: ID!, name: String! }
type TagEdge { node: Tag! }
type TagConnection { edges: [TagEdge!]! }
union ArtifactCreator = Run | User
type Artifact {
  id: ID!
  digest: String!
  digestAlgorithm: ArtifactDigestAlgorithm
  state: ArtifactState!
  description: String
  metadata: JSONString
  versionIndex: Int
  commitHash: String
  size: Int64!
  fileCount: Int64!
  historyStep: Int64
  ttlDurationSeconds: Int64
  ttlIsInherited: Boolean!
  createdAt: DateTime!
  updatedAt: DateTime
  createdBy: ArtifactCreator
  usedBy: RunConnection!
  artifactType: ArtifactType!
  artifactSequence: ArtifactSequence!
  artifactMemberships: ArtifactCollectionMembershipConnection!
  aliases: [ArtifactAlias!]!
  tags: [Tag!]!
  currentManifest: ArtifactManifest
  files(names: [String!], first: Int, after: String): FileConnection!
  filesByManifestEntries(
    storageLayout: String!, manifestVersion: String!, entries: [ArtifactManifestEntryInput!], storageRegion: String
  ): FileConnection!
}
type ArtifactEdge { node: Artifact!, cursor: String! }
type ArtifactConnection { edges: [ArtifactEdge!]!, pageInfo: PageInfo!, totalCount: Int! }
type VersionedArtifactEdge { node: Artifact!, version: String!, cursor: String! }
type VersionedArtifactConnection { edges: [VersionedArtifactEdge!]!, pageInfo: PageInfo!, totalCount: Int! }
type ArtifactManifest { id: ID!, digest: String, file: File! }
extend type File {
  displayName: String
  storagePath: String
  uploadMultipartUrls: UploadMultipartUrls
  digest: String
  artifact: Artifact
}
type UploadMultipartUrls { uploadID: String!, uploadUrlParts: [UploadUrlPart!]! }
type UploadUrlPart { partNumber: Int64!, uploadUrl: String! }

input ArtifactAliasInput { artifactCollectionName: String!, alias: String! }
input ArtifactCollectionAliasInput {
  entityName: String!
  projectName: String!
  artifactCollectionName: String!
  alias: String!
}
input TagInput { tagName: String!, tagCategoryName: String, attributes: JSONString }
input CreateArtifactInput {
  entityName: String!
  projectName: String!
  runName: String
  artifactTypeName: String!
  artifactCollectionName: String
  artifactCollectionNames: [String!]
  digest: String!
  digestAlgorithm: ArtifactDigestAlgorithm!
  description: String
  metadata: JSONString
  labels: JSONString
  aliases: [ArtifactAliasInput!]
  tags: [TagInput!]
  historyStep: Int64
  ttlDurationSeconds: Int64
  enableDigestDeduplication: Boolean
  distributedID: String
  storageRegion: String
  clientID: ID
  sequenceClientID: ID
  clientMutationId: String
}
type CreateArtifactPayload { artifact: Artifact!, clientMutationId: String }
type ArtifactPayload { artifact: Artifact, clientMutationId: String }
input CreateArtifactManifestInput {
  artifactID: ID!
  baseArtifactID: ID
  name: String!
  digest: String!
  entityName: String!
  projectName: String!
  runName: String!
  type: ArtifactManifestType
  clientMutationId: String
}
input UpdateArtifactManifestInput {
  artifactManifestID: ID!
  baseArtifactID: ID
  digest: String
  clientMutationId: String
}
type ArtifactManifestPayload { artifactManifest: ArtifactManifest!, clientMutationId: String }
input CreateArtifactFileSpecInput {
  artifactID: ID!
  name: String!
  md5: String
  digest: String
  mimetype: String
  artifactManifestID: ID
  uploadPartsInput: [UploadPartsInput!]
}
input UploadPartsInput { partNumber: Int64!, hexMD5: String! }
input CreateArtifactFilesInput {
  artifactFiles: [CreateArtifactFileSpecInput!]!
  storageLayout: ArtifactStorageLayout
  storageRegion: String
  cloudRegionID: String
  clientMutationId: String
}
type CreateArtifactFilesPayload { files: FileConnection!, clientMutationId: String }
input CommitArtifactInput { artifactID: ID!, clientMutationId: String }
input UpdateArtifactInput {
  artifactID: ID!
  description: String
  metadata: JSONString
  labels: JSONString
  aliases: [ArtifactAliasInput!]
  tagsToAdd: [TagInput!]
  tagsToDelete: [TagInput!]
  ttlDurationSeconds: Int64
  clientMutationId: String
}
input DeleteArtifactInput { artifactID: ID!, deleteAliases: Boolean, clientMutationId: String }
input UseArtifactInput {
  entityName: String!
  projectName: String!
  runName: String!
  artifactID: ID!
  usedAs: String
  artifactEntityName: String
  artifactProjectName: String
  clientMutationId: String
}
input AddAliasesInput { artifactID: ID!, aliases: [ArtifactCollectionAliasInput!]!, clientMutationId: String }
input DeleteAliasesInput { artifactID: ID!, aliases: [ArtifactCollectionAliasInput!]!, clientMutationId: String }
input ArtifactManifestEntryInput {
  name: String!
  digest: String
  birthArtifactID: ID
  storageRegion: String
}
"""
