//! Twenty servers of all eras, half of them of no use: every client is answered, and nobody has to restart
//! anything once the servers are well again.

use demo_server::crowd::{SIZE, Trouble, eras_of, name_of, trouble_of};
use demo_server::{Config, DemoServer, Fault, Plan};

use crate::speaker::Speaker;
use crate::support::{Home, text};

/// Starts, adds and where it is wanted signs in to all of them, so that each was seen once.
async fn all_known(home: &mut Home) -> Vec<DemoServer> {
    let mut servers = Vec::new();
    for at in 0..SIZE {
        let wants_sign_in = trouble_of(at) == Trouble::SignedOut;
        let config = if wants_sign_in { Config::oauth() } else { Config::default() };
        let server = DemoServer::start(Config { eras: eras_of(at), ..config }).await.expect("a server");
        home.add(&name_of(at), &server.url()).await;
        if wants_sign_in {
            home.log_in(&name_of(at)).await;
        }
        servers.push(server);
    }
    servers
}

/// Lets every server fail as it has to.
async fn break_half(servers: Vec<DemoServer>) -> Vec<(Option<DemoServer>, Config)> {
    let mut broken = Vec::new();
    for (at, server) in servers.into_iter().enumerate() {
        let address = server.origin().socket_addrs(|| None).expect("an address")[0];
        let config = Config { listen: address, eras: eras_of(at), ..Config::default() };
        match trouble_of(at) {
            Trouble::Hangs => server.control().plan(Plan { fault: Fault::Stall, method: None, times: 1000 }),
            Trouble::SignedOut => server.control().revoke_tokens(None),
            Trouble::None => {}
            Trouble::Down => {
                server.stop().await;
                broken.push((None, config));
                continue;
            }
        }
        broken.push((Some(server), config));
    }
    broken
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn half_of_twenty_servers_may_fail_and_every_client_goes_on() {
    let mut home = Home::new();
    // Nobody here can wait for as long as servers of which nothing is known are waited for.
    home.set("DRAWBRIDGE_START_BUDGET", "10m");
    home.set("DRAWBRIDGE_SNAPSHOT_BUDGET", "50ms");
    let servers = all_known(&mut home).await;
    let mut servers = break_half(servers).await;

    let of_both_eras =
        |at| [false, true].map(|is_modern| (at, Speaker::connect(&home, &name_of(at), is_modern)));
    let mut clients: Vec<(usize, Speaker)> = (0..SIZE).flat_map(of_both_eras).collect();
    for (at, speaker) in &mut clients {
        let told = speaker.begin().await;
        let is_stand_in = told["_meta"].get("drawbridge/standIn").is_some();
        assert!(is_stand_in || trouble_of(*at) == Trouble::None, "{at}: {told}");
        let mut tools = speaker.tools().await;
        let wants_sign_in = trouble_of(*at) == Trouble::SignedOut;
        if wants_sign_in && !tools.contains("drawbridge_sign_in") {
            speaker.client.notification("notifications/tools/list_changed").await;
            tools = speaker.tools().await;
        }
        assert_eq!(tools.contains("drawbridge_sign_in"), wants_sign_in, "{at}: {tools}");
    }

    for (at, (server, config)) in servers.iter_mut().enumerate() {
        match (trouble_of(at), &server) {
            (Trouble::Hangs, Some(server)) => {
                server.control().clear_faults();
                server.control().release_stalled();
            }
            (Trouble::SignedOut, _) => _ = home.log_in(&name_of(at)).await,
            (Trouble::Down, _) => *server = Some(DemoServer::start(config.clone()).await.expect("a server")),
            (Trouble::Hangs | Trouble::None, _) => {}
        }
    }
    for (at, speaker) in &mut clients {
        let server = servers[*at].0.as_ref().expect("it runs again");
        // Each client's own stream: by itself, not for this call.
        server.control().wait_for(|stats| stats.open_streams > 1).await;
        let echo = speaker.echo(&at.to_string()).await;
        assert_eq!(text(&echo), at.to_string(), "{at}: {echo}");
    }
}
