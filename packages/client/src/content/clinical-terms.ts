/**
 * Words that doctors and patients search by, in both languages, for the codes of a stroke pathway.
 * Codes of SNOMED CT, LOINC, RxNorm and ICD-10 with our own short words; no terminology is copied here.
 */
export const TERMS_BY_CODE: ReadonlyMap<string, readonly string[]> = new Map(
  Object.entries({
    // conditions: SNOMED CT, ICD-10
    '230690007': ['stroke', '卒中', '脑卒中'],
    '422504002': ['ischaemic stroke', 'stroke', '缺血性卒中', '脑梗死', '卒中'],
    '274100004': ['cerebral haemorrhage', '脑出血'],
    'I63.9': ['stroke', '脑梗死', '卒中'],
    'I61.9': ['cerebral haemorrhage', '脑出血'],
    '49436004': ['atrial fibrillation', '房颤', '心房颤动'],
    'I48.9': ['atrial fibrillation', '房颤'],
    '59621000': ['hypertension', '高血压'],
    '38341003': ['hypertension', '高血压'],
    I10: ['hypertension', '高血压'],
    '22298006': ['myocardial infarction', '心肌梗死'],
    '53741008': ['coronary heart disease', '冠心病'],
    '44054006': ['diabetes', '糖尿病'],
    '55822004': ['hyperlipidaemia', '高脂血症'],
    '15777000': ['prediabetes', '糖尿病前期'],
    '90560007': ['gout', '痛风'],
    '43878008': ['pharyngitis', '咽炎'],
    '10509002': ['bronchitis', '支气管炎'],
    '444814009': ['sinusitis', '鼻窦炎'],
    '195662009': ['pharyngitis', '咽炎'],
    '271737000': ['anaemia', '贫血'],
    '410429000': ['cardiac arrest', '心脏骤停'],
    '88805009': ['heart failure', '心力衰竭'],
    // observations and reports: LOINC
    '70182-1': ['nihss', '卒中量表'],
    '72089-6': ['nihss', '卒中量表'],
    '85354-9': ['blood pressure', '血压'],
    '55284-4': ['blood pressure', '血压'],
    '8480-6': ['blood pressure', '血压'],
    '2339-0': ['glucose', '血糖'],
    '2345-7': ['glucose', '血糖'],
    '4548-4': ['hba1c', '糖化血红蛋白'],
    '6301-6': ['inr', '凝血'],
    '777-3': ['platelets', '血小板'],
    '2160-0': ['creatinine', '肌酐'],
    '13457-7': ['cholesterol', '胆固醇'],
    '57698-3': ['lipids', '血脂'],
    '30799-1': ['head ct', '头颅ct'],
    '24725-4': ['head ct', '头颅ct'],
    '58410-2': ['blood count', '血常规'],
    // procedures: SNOMED CT
    '303653007': ['head ct', '头颅ct'],
    '371908008': ['oxygen', '吸氧'],
    '307521008': ['thrombolysis', '溶栓'],
    // medication: RxNorm
    '1191': ['aspirin', '阿司匹林'],
    '309362': ['clopidogrel', '氯吡格雷'],
    '243670': ['aspirin', '阿司匹林'],
    '617310': ['atorvastatin', '阿托伐他汀'],
    '259255': ['atorvastatin', '阿托伐他汀'],
    '308056': ['alteplase', '阿替普酶'],
    '314076': ['lisinopril', '赖诺普利'],
    '308136': ['amlodipine', '氨氯地平'],
  }),
);

/** Chinese terms that are looked for inside longer runs of text, where no space parts the words. */
export const CHINESE_TERMS: readonly string[] = [
  ...new Set([...TERMS_BY_CODE.values()].flat().filter((term) => /\p{Script=Han}/u.test(term))),
];
