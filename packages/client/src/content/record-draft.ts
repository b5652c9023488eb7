/** From a clinical record to what a doctor's client seals. */
import type { RecordDraft } from '../record-sealing.ts';
import { type ClinicalRecord, clinicalClassesOf } from './clinical-record.ts';

/** FHIR's own media type (RFC 6838 registration of HL7). */
const FHIR_JSON = 'application/fhir+json';

/**
 * One section and, for clinical classes, one class label per FHIR class; a patient summary also gets the
 * quarter's summary label. The attributes `[kind, title, organisation, admission in ms]` are sealed.
 */
export function toRecordDraft(record: ClinicalRecord): RecordDraft {
  return {
    sections: record.sections.map(({ path, content }) => ({
      path,
      mediaType: FHIR_JSON,
      content: [content],
    })),
    classes: clinicalClassesOf(record),
    isSummary: record.kind === 'summary',
    keywords: record.keywords,
    attributes: [record.kind, record.title, record.organisation ?? null, record.admissionTimeMs],
  };
}
