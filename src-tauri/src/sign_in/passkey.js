// In every page of a sign-in, before its own scripts: this window has no passkeys, so a page that asks for one is
// refused as by a person who says no, and the window hears of it. Only a request counts. That there could be
// passkeys is said as well, because many a page offers its button for them only then.
(() => {
  const hear = () => { location.href = '$SENTINEL' };
  const refuse = (name) => Promise.reject(new DOMException('Passkeys work in the browser only', name));
  const wants = (options) => Boolean(options && options.publicKey);
  const own = navigator.credentials;

  const get = (options) => {
    if (!wants(options)) return own ? own.get(options) : Promise.resolve(null);
    // An offer beside a field is no request yet.
    if (options.mediation !== 'conditional') hear();
    return refuse('NotAllowedError');
  };
  const create = (options) => {
    if (!wants(options)) return own ? own.create(options) : refuse('NotSupportedError');
    hear();
    return refuse('NotAllowedError');
  };
  const store = (credential) => own ? own.store(credential) : refuse('NotSupportedError');
  const preventSilentAccess = () => own ? own.preventSilentAccess() : Promise.resolve();

  class PublicKeyCredential {
    constructor() { throw new TypeError('Illegal constructor') }
    static isConditionalMediationAvailable() { return Promise.resolve(false) }
    static isUserVerifyingPlatformAuthenticatorAvailable() { return Promise.resolve(false) }
  }
  Object.defineProperty(window, 'PublicKeyCredential', { value: PublicKeyCredential, configurable: true, writable: true });
  Object.defineProperty(navigator, 'credentials', { value: { get, create, store, preventSilentAccess }, configurable: true });
})();
