/** What schemas say of values that they refuse: given to each parse, so that importing a schema has no effect. */
import { en } from 'zod/locales';

export const english = en().localeError;
