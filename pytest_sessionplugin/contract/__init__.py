"""An app's contract, OpenAPI and AsyncAPI, held against everything that crossed its gateway."""
