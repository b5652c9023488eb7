/**
 * Months and quarters in UTC, as text: `2026-11`, `2026-Q4`. A label's month is that of the admission,
 * so a result which arrives later is filed under the month its visit began (R10).
 */
import { type Brand } from './brand.ts';
import { CodecError } from './bytes.ts';

/** `YYYY-MM` */
export type Month = Brand<string, 'Month'>;
/** `YYYY-Qn` */
export type Quarter = Brand<string, 'Quarter'>;

/** @throws CodecError `malformed` */
export function parseMonth(text: string): Month {
  if (!/^\d{4}-(0[1-9]|1[0-2])$/.test(text))
    throw new CodecError('malformed', 'a month is written YYYY-MM');
  return text as Month;
}

/** @throws CodecError `malformed` */
export function parseQuarter(text: string): Quarter {
  if (!/^\d{4}-Q[1-4]$/.test(text))
    throw new CodecError('malformed', 'a quarter is written YYYY-Qn');
  return text as Quarter;
}

/** The month of a moment. @param timeMs milliseconds since 1970-01-01T00:00:00Z */
export function monthOfTime(timeMs: number): Month {
  // Days to civil date by eras of 400 years (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
  const days = Math.floor(timeMs / 86_400_000) + 719_468;
  const era = Math.floor(days / 146_097);
  const dayOfEra = days - era * 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra -
      Math.floor(dayOfEra / 1460) +
      Math.floor(dayOfEra / 36_524) -
      Math.floor(dayOfEra / 146_096)) /
      365,
  );
  const dayOfYear =
    dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const shifted = Math.floor((5 * dayOfYear + 2) / 153);
  const month = shifted < 10 ? shifted + 3 : shifted - 9;
  const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0);
  return parseMonth(`${String(year).padStart(4, '0')}-${String(month).padStart(2, '0')}`);
}

/** The quarter that a month lies in. */
export function quarterOfMonth(month: Month): Quarter {
  const quarter = Math.floor((Number(month.slice(5)) - 1) / 3) + 1;
  return parseQuarter(`${month.slice(0, 4)}-Q${quarter}`);
}
