"""Budget, plan, pool, cost: how images are asked for, drawn, kept and accounted for."""
