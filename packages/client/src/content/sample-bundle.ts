/**
 * A stroke case that nobody lived: what Yilian ships as samples, so that no public data set has to be
 * copied into it. The same seed gives the same bytes. People are marked as samples in every name and
 * number; texts are in Chinese and English.
 *
 * The story is that of Qin, Jin, Liu 2021: a community hospital sees a hemiparesis (NIHSS, blood
 * pressure) and sends the patient on; a secondary hospital does CT and labs and treats her; the
 * tertiary hospital that shall read both is not part of the sample.
 */
import type { JsonObject } from './json.ts';

export interface SampleCase {
  readonly person: {
    readonly name: { readonly zh: string; readonly en: string };
    readonly healthCardNumber: string;
  };
  /** Transaction bundle with both visits. */
  readonly visits: JsonObject;
  /** International Patient Summary written at discharge from the secondary hospital. */
  readonly summary: JsonObject;
}

export interface SampleOptions {
  /** Any 32-bit integer. */
  readonly seed: number;
  /** Admission at the community hospital, milliseconds since 1970. */
  readonly admissionTimeMs: number;
}

/** Numbers for plots and ages, never for keys (mulberry32, Tommy Ettinger, public domain). */
function makeDice(seed: number): (sides: number) => number {
  let state = seed >>> 0;
  return (sides) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % sides;
  };
}

const FAMILY_NAMES = [
  ['王', 'Wang'],
  ['李', 'Li'],
  ['张', 'Zhang'],
  ['刘', 'Liu'],
  ['陈', 'Chen'],
  ['杨', 'Yang'],
  ['赵', 'Zhao'],
  ['黄', 'Huang'],
] as const;
const SIDES = [
  { zh: '左', en: 'left', opposite: { zh: '右', en: 'right' } },
  { zh: '右', en: 'right', opposite: { zh: '左', en: 'left' } },
] as const;

const SNOMED = 'http://snomed.info/sct';
const LOINC = 'http://loinc.org';
const RXNORM = 'http://www.nlm.nih.gov/research/umls/rxnorm';
const ICD10 = 'http://hl7.org/fhir/sid/icd-10';
const UNITS = 'http://unitsofmeasure.org';

function concept(system: string, code: string, zh: string, en: string): JsonObject {
  return { coding: [{ system, code, display: en }], text: `${zh} ${en}` };
}

function narrative(text: string): JsonObject {
  return { status: 'generated', div: `<div xmlns="http://www.w3.org/1999/xhtml">${text}</div>` };
}

/** A version-4-shaped UUID out of the dice: an address inside one bundle, not an identity. */
function makeUuid(dice: (sides: number) => number): string {
  const digits = Array.from({ length: 32 }, (_, i) =>
    (i === 12 ? 4 : i === 16 ? 8 + dice(4) : dice(16)).toString(16),
  );
  return [
    digits.slice(0, 8),
    digits.slice(8, 12),
    digits.slice(12, 16),
    digits.slice(16, 20),
    digits.slice(20),
  ]
    .map((part) => part.join(''))
    .join('-');
}

class Bundler {
  readonly #dice: (sides: number) => number;
  readonly #entries: {
    readonly address: string;
    readonly resourceType: string;
    readonly body: JsonObject;
  }[] = [];

  constructor(dice: (sides: number) => number) {
    this.#dice = dice;
  }

  add(resourceType: string, body: JsonObject): JsonObject {
    const id = makeUuid(this.#dice);
    this.#entries.push({
      address: `urn:uuid:${id}`,
      resourceType,
      body: { resourceType, id, ...body },
    });
    return { reference: `urn:uuid:${id}` };
  }

  /** Appends what another has gathered: a Composition stands first, but refers to what follows. */
  addAll(other: Bundler): void {
    this.#entries.push(...other.#entries);
  }

  toTransaction(): JsonObject {
    return {
      resourceType: 'Bundle',
      type: 'transaction',
      entry: this.#entries.map(({ address, resourceType, body }) => ({
        fullUrl: address,
        resource: body,
        request: { method: 'POST', url: resourceType },
      })),
    };
  }

  toDocument(timestamp: string, identifier: string): JsonObject {
    return {
      resourceType: 'Bundle',
      identifier: { system: 'urn:yilian:sample', value: identifier },
      type: 'document',
      timestamp,
      entry: this.#entries.map(({ address, body }) => ({ fullUrl: address, resource: body })),
    };
  }
}

interface Plot {
  readonly person: SampleCase['person'];
  readonly gender: 'female' | 'male';
  readonly birthDate: string;
  readonly side: (typeof SIDES)[number];
  readonly nihss: number;
  readonly systolic: number;
  readonly diastolic: number;
  readonly glucose: number;
  readonly inr: number;
  readonly platelets: number;
  readonly fibrillation: boolean;
  readonly hoursAfter: (hours: number) => string;
}

function makePlot(options: SampleOptions, dice: (sides: number) => number): Plot {
  const [familyZh, familyEn] = FAMILY_NAMES[dice(FAMILY_NAMES.length)] ?? FAMILY_NAMES[0];
  const serial = String(options.seed >>> 0).padStart(10, '0');
  return {
    person: {
      name: { zh: `${familyZh}示例`, en: `${familyEn} Shili (sample person)` },
      healthCardNumber: `SAMPLE-${serial}`,
    },
    gender: dice(2) === 0 ? 'female' : 'male',
    birthDate: `${1938 + dice(25)}-${String(1 + dice(12)).padStart(2, '0')}-${String(1 + dice(28)).padStart(2, '0')}`,
    side: SIDES[dice(2)] ?? SIDES[0],
    nihss: 4 + dice(15),
    systolic: 150 + dice(50),
    diastolic: 85 + dice(25),
    glucose: 5 + dice(60) / 10,
    inr: 0.9 + dice(4) / 10,
    platelets: 140 + dice(180),
    fibrillation: dice(3) === 0,
    hoursAfter: (hours) => new Date(options.admissionTimeMs + hours * 3_600_000).toISOString(),
  };
}

function addPatient(bundler: Bundler, plot: Plot): JsonObject {
  return bundler.add('Patient', {
    text: narrative(`虚构示例人物，非真实患者。 Invented sample person, not a real patient.`),
    identifier: [{ system: 'urn:yilian:sample:health-card', value: plot.person.healthCardNumber }],
    name: [{ text: plot.person.name.zh }, { use: 'usual', text: plot.person.name.en }],
    gender: plot.gender,
    birthDate: plot.birthDate,
  });
}

function addObservation(
  bundler: Bundler,
  input: {
    readonly code: JsonObject;
    readonly category: 'vital-signs' | 'laboratory' | 'survey';
    readonly value: JsonObject;
    readonly time: string;
    readonly subject: JsonObject;
    readonly encounter?: JsonObject;
  },
): JsonObject {
  const category = [
    {
      coding: [
        {
          system: 'http://terminology.hl7.org/CodeSystem/observation-category',
          code: input.category,
        },
      ],
    },
  ];
  return bundler.add('Observation', {
    status: 'final',
    category,
    code: input.code,
    subject: input.subject,
    ...(input.encounter === undefined ? {} : { encounter: input.encounter }),
    effectiveDateTime: input.time,
    ...input.value,
  });
}

function quantity(value: number, unit: string, code: string = unit): JsonObject {
  return { valueQuantity: { value: Number(value.toFixed(1)), unit, system: UNITS, code } };
}

function pressurePart(code: string, zh: string, en: string, value: number): JsonObject {
  return { code: concept(LOINC, code, zh, en), ...quantity(value, 'mmHg', 'mm[Hg]') };
}

function bloodPressure(systolic: number, diastolic: number): JsonObject {
  return {
    component: [
      pressurePart('8480-6', '收缩压', 'Systolic', systolic),
      pressurePart('8462-4', '舒张压', 'Diastolic', diastolic),
    ],
  };
}

function addVisit(
  bundler: Bundler,
  input: {
    readonly code: 'AMB' | 'IMP';
    readonly title: JsonObject;
    readonly reason: JsonObject;
    readonly hospital: { readonly id: string; readonly name: string; readonly doctor: string };
    readonly subject: JsonObject;
    readonly from: string;
    readonly to: string;
  },
): JsonObject {
  const organisation = bundler.add('Organization', {
    identifier: [{ system: 'urn:yilian:sample:hospital', value: input.hospital.id }],
    name: input.hospital.name,
  });
  const doctor = bundler.add('Practitioner', { name: [{ text: input.hospital.doctor }] });
  return bundler.add('Encounter', {
    status: 'finished',
    class: { system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: input.code },
    type: [input.title],
    subject: input.subject,
    participant: [{ individual: doctor }],
    period: { start: input.from, end: input.to },
    reasonCode: [input.reason],
    serviceProvider: organisation,
  });
}

function addCommunityVisit(bundler: Bundler, plot: Plot, subject: JsonObject): void {
  const at = plot.hoursAfter;
  const encounter = addVisit(bundler, {
    code: 'AMB',
    title: { text: '急诊接诊与转诊 Acute presentation and referral' },
    reason: concept(SNOMED, '230690007', '疑似脑卒中', 'Suspected stroke'),
    hospital: {
      id: 'community-1',
      name: '示例社区卫生服务中心 Sample Community Health Centre',
      doctor: '陈示例医生（社区） Dr Chen (sample)',
    },
    subject,
    from: at(0),
    to: at(1),
  });
  addObservation(bundler, {
    code: concept(LOINC, '70182-1', 'NIHSS卒中量表总分', 'NIH stroke scale total'),
    category: 'survey',
    value: { valueInteger: plot.nihss },
    time: at(0.2),
    subject,
    encounter,
  });
  addObservation(bundler, {
    code: concept(LOINC, '85354-9', '血压', 'Blood pressure'),
    category: 'vital-signs',
    value: bloodPressure(plot.systolic, plot.diastolic),
    time: at(0.2),
    subject,
    encounter,
  });
  addObservation(bundler, {
    code: concept(LOINC, '2339-0', '末梢血糖', 'Capillary glucose'),
    category: 'laboratory',
    value: quantity(plot.glucose, 'mmol/L'),
    time: at(0.3),
    subject,
    encounter,
  });
  bundler.add('Condition', {
    clinicalStatus: {
      coding: [
        { system: 'http://terminology.hl7.org/CodeSystem/condition-clinical', code: 'active' },
      ],
    },
    verificationStatus: {
      coding: [
        {
          system: 'http://terminology.hl7.org/CodeSystem/condition-ver-status',
          code: 'provisional',
        },
      ],
    },
    code: concept(SNOMED, '230690007', '疑似脑卒中', 'Suspected stroke'),
    subject,
    encounter,
    onsetDateTime: at(-1),
    note: [
      {
        text: `${plot.side.opposite.zh}侧肢体无力一小时，言语含糊。既往高血压。 Weakness of the ${plot.side.opposite.en} side for one hour, slurred speech. Known hypertension.`,
      },
    ],
  });
  bundler.add('ServiceRequest', {
    status: 'completed',
    intent: 'order',
    code: { text: '转诊至二级医院卒中中心 Referral to the stroke unit of the secondary hospital' },
    subject,
    encounter,
    authoredOn: at(0.5),
  });
}

function addSecondaryVisit(bundler: Bundler, plot: Plot, subject: JsonObject): void {
  const at = plot.hoursAfter;
  const encounter = addVisit(bundler, {
    code: 'IMP',
    title: { text: '卒中单元住院 Stroke unit admission' },
    reason: concept(SNOMED, '422504002', '缺血性卒中', 'Ischaemic stroke'),
    hospital: {
      id: 'secondary-1',
      name: '示例市第二医院 Sample Secondary Hospital',
      doctor: '周示例医生（神经内科） Dr Zhou (sample)',
    },
    subject,
    from: at(2),
    to: at(98),
  });
  const observe = (code: JsonObject, value: JsonObject, time: string): JsonObject =>
    addObservation(bundler, { code, category: 'laboratory', value, time, subject, encounter });
  const results = [
    observe(
      concept(LOINC, '6301-6', '国际标准化比值（凝血）', 'INR'),
      quantity(plot.inr, '1', '1'),
      at(2.5),
    ),
    observe(
      concept(LOINC, '777-3', '血小板', 'Platelets'),
      quantity(plot.platelets, '10*9/L'),
      at(2.5),
    ),
    observe(
      concept(LOINC, '2345-7', '血糖', 'Glucose'),
      quantity(plot.glucose + 0.4, 'mmol/L'),
      at(2.5),
    ),
    observe(
      concept(LOINC, '2160-0', '肌酐', 'Creatinine'),
      quantity(62 + plot.nihss, 'umol/L'),
      at(2.5),
    ),
  ];
  bundler.add('DiagnosticReport', {
    status: 'final',
    code: concept(LOINC, '58410-2', '急诊血液检查', 'Emergency blood panel'),
    subject,
    encounter,
    effectiveDateTime: at(2.7),
    result: results,
    conclusion:
      '凝血与血小板无溶栓禁忌。 No contraindication to thrombolysis in coagulation and platelets.',
  });
  const study = bundler.add('ImagingStudy', {
    status: 'available',
    subject,
    encounter,
    started: at(2.4),
    description: '头颅CT平扫 Head CT without contrast',
    modality: [{ system: 'http://dicom.nema.org/resources/ontology/DCM', code: 'CT' }],
  });
  bundler.add('DiagnosticReport', {
    status: 'final',
    code: concept(LOINC, '30799-1', '头颅CT', 'Head CT'),
    subject,
    encounter,
    effectiveDateTime: at(2.8),
    imagingStudy: [study],
    conclusion: `头颅CT：未见脑出血；${plot.side.zh}侧大脑中动脉供血区早期缺血改变。 Head CT: no haemorrhage; early ischaemic change in the ${plot.side.en} middle cerebral artery territory.`,
  });
  const stroke = bundler.add('Condition', {
    clinicalStatus: {
      coding: [
        { system: 'http://terminology.hl7.org/CodeSystem/condition-clinical', code: 'active' },
      ],
    },
    code: {
      coding: [
        { system: SNOMED, code: '422504002', display: 'Ischaemic stroke' },
        { system: ICD10, code: 'I63.9', display: 'Cerebral infarction' },
      ],
      text: '缺血性卒中 Ischaemic stroke',
    },
    subject,
    encounter,
    onsetDateTime: at(-1),
  });
  if (plot.fibrillation)
    bundler.add('Condition', {
      code: concept(SNOMED, '49436004', '心房颤动', 'Atrial fibrillation'),
      subject,
      encounter,
      onsetDateTime: at(20),
    });
  bundler.add('Procedure', {
    status: 'completed',
    code: concept(SNOMED, '307521008', '静脉溶栓', 'Intravenous thrombolysis'),
    subject,
    encounter,
    performedDateTime: at(3),
    reasonReference: [stroke],
  });
  const prescribe = (code: string, zh: string, en: string, dose: string): JsonObject =>
    bundler.add('MedicationRequest', {
      status: 'active',
      intent: 'order',
      medicationCodeableConcept: concept(RXNORM, code, zh, en),
      subject,
      encounter,
      authoredOn: at(27),
      dosageInstruction: [{ text: dose }],
    });
  prescribe('243670', '阿司匹林', 'Aspirin', '100 mg 每日一次 once daily');
  prescribe('259255', '阿托伐他汀', 'Atorvastatin', '40 mg 每晚一次 at night');
}

/** Sections are listed in the Composition, as IPS 2.0 wants: problems, medication, allergies. */
function makeSummary(plot: Plot, dice: (sides: number) => number): JsonObject {
  const bundler = new Bundler(dice);
  const time = plot.hoursAfter(98);
  const inner = new Bundler(dice);
  const subject = addPatient(inner, plot);
  const organisation = inner.add('Organization', {
    name: '示例市第二医院 Sample Secondary Hospital',
  });
  const problem = inner.add('Condition', {
    code: concept(SNOMED, '422504002', '缺血性卒中', 'Ischaemic stroke'),
    subject,
    onsetDateTime: plot.hoursAfter(-1),
  });
  const medication = inner.add('MedicationStatement', {
    status: 'active',
    medicationCodeableConcept: concept(RXNORM, '243670', '阿司匹林', 'Aspirin'),
    subject,
    effectiveDateTime: time,
  });
  const allergy = inner.add('AllergyIntolerance', {
    code: { text: '无已知过敏 No known allergies' },
    patient: subject,
  });
  bundler.add('Composition', {
    status: 'final',
    type: { coding: [{ system: LOINC, code: '60591-5', display: 'Patient summary Document' }] },
    subject,
    date: time,
    author: [organisation],
    custodian: organisation,
    title: '患者摘要（示例） Patient summary (sample)',
    section: [
      {
        title: '问题 Problems',
        code: concept(LOINC, '11450-4', '问题清单', 'Problem list'),
        entry: [problem],
      },
      {
        title: '用药 Medication',
        code: concept(LOINC, '10160-0', '用药', 'Medication'),
        entry: [medication],
      },
      {
        title: '过敏 Allergies',
        code: concept(LOINC, '48765-2', '过敏', 'Allergies'),
        entry: [allergy],
      },
    ],
  });
  bundler.addAll(inner);
  return bundler.toDocument(time, plot.person.healthCardNumber);
}

/** The whole case. Pure: the same options give the same value. */
export function generateSampleCase(options: SampleOptions): SampleCase {
  const dice = makeDice(options.seed);
  const plot = makePlot(options, dice);
  const bundler = new Bundler(dice);
  const subject = addPatient(bundler, plot);
  addCommunityVisit(bundler, plot, subject);
  addSecondaryVisit(bundler, plot, subject);
  return { person: plot.person, visits: bundler.toTransaction(), summary: makeSummary(plot, dice) };
}
