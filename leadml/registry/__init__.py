"""The model registry on disk: versions, champion, history, references, promotion, cards changed by hand."""
