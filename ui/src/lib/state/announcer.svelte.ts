/** What a screen reader is told when something happens elsewhere on the page. */

export class Announcer {
  message = $state('')

  say(message: string): void {
    // The same words twice are two pieces of news.
    this.message = this.message === message ? `${message}\u00a0` : message
  }
}
