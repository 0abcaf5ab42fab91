/** Who is signed in. */

import { ask, type Session } from "./api";

const NOBODY: Session = {
  signed_in: false,
  sign_in_needed: true,
  setup_needed: false,
  name: null,
  role: null,
  scopes: [],
  projects: null,
  may_share: false,
  demo_shop: null,
};

class Who {
  session = $state.raw<Session>(NOBODY);
  /** Nothing is known before the first answer. */
  isKnown = $state(false);

  async load(): Promise<void> {
    this.session = await ask<Session>("GET", "/api/session");
    this.isKnown = true;
  }

  may(scope: string): boolean {
    return this.session.scopes.includes(scope);
  }
}

export const who = new Who();
