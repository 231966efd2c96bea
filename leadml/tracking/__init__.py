"""Everything that knows MLflow: runs, logged models, the registry as a view of the store."""
