/** Codes, not text: the chain carries nothing personal. `wrongKey`: a slot opens to another key (F9). */
export const OBJECTION_REASONS = ['notMine', 'wrongContent', 'wrongKey', 'unreadable'] as const;
export type ObjectionReason = (typeof OBJECTION_REASONS)[number];
