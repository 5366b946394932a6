"""How environments are trained on by default, by kind, as TOML files; named by `--preset`. Never imports torch."""
