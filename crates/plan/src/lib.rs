//! Pure decisions: what can be lent, plans, generated configuration
