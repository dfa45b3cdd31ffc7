import { testKills } from './kill-cases.ts';

testKills({ createStore: (folder) => `${folder}/store.sqlite` });
