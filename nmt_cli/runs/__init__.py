"""What is on disk: model directories and what a training saves."""
