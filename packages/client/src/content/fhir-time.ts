/** FHIR R4 `date`, `dateTime` and `instant` as milliseconds, read in UTC whatever the local clock says. */

const DATE_TIME =
  /^(\d{4})(?:-(\d{2})(?:-(\d{2})(?:T(\d{2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?(Z|[+-]\d{2}:\d{2})?)?)?)?$/;

/**
 * Milliseconds since 1970-01-01T00:00:00Z, or undefined when the text is no FHIR time. A missing part
 * counts as its first value (`2020-05` is the first of May), a missing offset as UTC.
 */
export function parseFhirTime(text: string | undefined): number | undefined {
  const match = text === undefined ? null : DATE_TIME.exec(text);
  if (match === null) return undefined;
  const [
    ,
    year,
    month = '01',
    day = '01',
    hour = '00',
    minute = '00',
    second = '00',
    fraction = '0',
    offset = 'Z',
  ] = match;
  const date = `${year}-${month}-${day}`;
  const midnight = Date.parse(`${date}T00:00:00Z`);
  // Date.parse carries the 31st of April over into May; the round trip shows it.
  if (Number.isNaN(midnight) || !new Date(midnight).toISOString().startsWith(date))
    return undefined;
  if (Number(hour) > 23 || Number(minute) > 59 || Number(second) > 60) return undefined;
  const offsetMinutes =
    offset === 'Z'
      ? 0
      : Number(`${offset[0]}1`) * (Number(offset.slice(1, 3)) * 60 + Number(offset.slice(4, 6)));
  if (Math.abs(offsetMinutes) > 14 * 60) return undefined;
  const milliseconds = Math.floor(Number(`0.${fraction}`) * 1000);
  return (
    midnight +
    ((Number(hour) * 60 + Number(minute) - offsetMinutes) * 60 + Number(second)) * 1000 +
    milliseconds
  );
}
