"""Deploy: packaging, the resources stack of a stage, and the stage that `chalice deploy` reads."""
