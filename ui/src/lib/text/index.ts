/** The words of the window, in the language in use. */

import { en, type Catalogue } from './en'

export const text: Catalogue = en
/** The language in use, for dates and numbers and for screen readers. */
export const language = 'en'
