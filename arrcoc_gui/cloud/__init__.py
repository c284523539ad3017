"""What the pages of the cloud share: errors with their repairs, lists of resources, the sandbox. No client library."""
