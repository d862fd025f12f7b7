"""Settlement between shops: what the chain netted, who sees which part of it, bank files, and the auditor's recount."""
