"""Policy: from a source of Cedar policies to a decision."""
