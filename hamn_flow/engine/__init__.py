"""Begin, resume, roll back: the engine that carries a run from checkpoint to checkpoint."""
