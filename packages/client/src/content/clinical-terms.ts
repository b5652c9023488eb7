/**
 * Words that doctors and patients search by, in both languages, for the codes of a stroke pathway.
 * Codes of SNOMED CT, LOINC, RxNorm and ICD-10 with our own short words; no terminology is copied here.
 */
export const TERMS_BY_CODE: ReadonlyMap<string, readonly string[]> = new Map(
  Object.entries({
    // conditions: SNOMED CT, ICD-10
    'snomed#230690007': ['stroke', '卒中', '脑卒中'],
    'snomed#422504002': ['ischaemic stroke', 'stroke', '缺血性卒中', '脑梗死', '卒中'],
    'snomed#274100004': ['cerebral haemorrhage', '脑出血'],
    'icd10#I63.9': ['stroke', '脑梗死', '卒中'],
    'icd10#I61.9': ['cerebral haemorrhage', '脑出血'],
    'snomed#49436004': ['atrial fibrillation', '房颤', '心房颤动'],
    'icd10#I48.9': ['atrial fibrillation', '房颤'],
    'snomed#59621000': ['hypertension', '高血压'],
    'snomed#38341003': ['hypertension', '高血压'],
    'icd10#I10': ['hypertension', '高血压'],
    'snomed#22298006': ['myocardial infarction', '心肌梗死'],
    'snomed#53741008': ['coronary heart disease', '冠心病'],
    'snomed#44054006': ['diabetes', '糖尿病'],
    'snomed#55822004': ['hyperlipidaemia', '高脂血症'],
    'snomed#15777000': ['prediabetes', '糖尿病前期'],
    'snomed#90560007': ['gout', '痛风'],
    'snomed#43878008': ['pharyngitis', '咽炎'],
    'snomed#10509002': ['bronchitis', '支气管炎'],
    'snomed#444814009': ['sinusitis', '鼻窦炎'],
    'snomed#195662009': ['pharyngitis', '咽炎'],
    'snomed#271737000': ['anaemia', '贫血'],
    'snomed#410429000': ['cardiac arrest', '心脏骤停'],
    'snomed#88805009': ['heart failure', '心力衰竭'],
    // observations and reports: LOINC
    'loinc#70182-1': ['nihss', '卒中量表'],
    'loinc#72089-6': ['nihss', '卒中量表'],
    'loinc#85354-9': ['blood pressure', '血压'],
    'loinc#55284-4': ['blood pressure', '血压'],
    'loinc#8480-6': ['blood pressure', '血压'],
    'loinc#2339-0': ['glucose', '血糖'],
    'loinc#2345-7': ['glucose', '血糖'],
    'loinc#4548-4': ['hba1c', '糖化血红蛋白'],
    'loinc#6301-6': ['inr', '凝血'],
    'loinc#777-3': ['platelets', '血小板'],
    'loinc#2160-0': ['creatinine', '肌酐'],
    'loinc#13457-7': ['cholesterol', '胆固醇'],
    'loinc#57698-3': ['lipids', '血脂'],
    'loinc#30799-1': ['head ct', '头颅ct'],
    'loinc#24725-4': ['head ct', '头颅ct'],
    'loinc#58410-2': ['blood count', '血常规'],
    // procedures: SNOMED CT
    'snomed#303653007': ['head ct', '头颅ct'],
    'snomed#371908008': ['oxygen', '吸氧'],
    'snomed#307521008': ['thrombolysis', '溶栓'],
    // medication: RxNorm
    'rxnorm#1191': ['aspirin', '阿司匹林'],
    'rxnorm#309362': ['clopidogrel', '氯吡格雷'],
    'rxnorm#243670': ['aspirin', '阿司匹林'],
    'rxnorm#617310': ['atorvastatin', '阿托伐他汀'],
    'rxnorm#259255': ['atorvastatin', '阿托伐他汀'],
    'rxnorm#308056': ['alteplase', '阿替普酶'],
    'rxnorm#314076': ['lisinopril', '赖诺普利'],
    'rxnorm#308136': ['amlodipine', '氨氯地平'],
  }),
);

/** Chinese terms that are looked for inside longer runs of text, where no space parts the words. */
export const CHINESE_TERMS: readonly string[] = [
  ...new Set([...TERMS_BY_CODE.values()].flat().filter((term) => /\p{Script=Han}/u.test(term))),
];
