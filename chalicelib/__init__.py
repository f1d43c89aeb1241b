"""Live sessions: the rules, the use cases and the parts behind them."""
