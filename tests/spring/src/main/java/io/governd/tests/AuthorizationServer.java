package io.governd.tests;

import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.context.annotation.Bean;
import org.springframework.security.core.userdetails.User;
import org.springframework.security.core.userdetails.UserDetailsService;
import org.springframework.security.oauth2.core.AuthorizationGrantType;
import org.springframework.security.oauth2.core.ClientAuthenticationMethod;
import org.springframework.security.oauth2.core.oidc.OidcScopes;
import org.springframework.security.oauth2.jose.jws.SignatureAlgorithm;
import org.springframework.security.oauth2.server.authorization.OAuth2TokenType;
import org.springframework.security.oauth2.server.authorization.authentication.OAuth2TokenExchangeAuthenticationToken;
import org.springframework.security.oauth2.server.authorization.client.InMemoryRegisteredClientRepository;
import org.springframework.security.oauth2.server.authorization.client.RegisteredClient;
import org.springframework.security.oauth2.server.authorization.client.RegisteredClientRepository;
import org.springframework.security.oauth2.server.authorization.settings.ClientSettings;
import org.springframework.security.oauth2.server.authorization.token.JwtEncodingContext;
import org.springframework.security.oauth2.server.authorization.token.OAuth2TokenCustomizer;
import org.springframework.security.provisioning.InMemoryUserDetailsManager;

/** An authorization server with one user, their front end, and governd as a client. */
@SpringBootApplication
public class AuthorizationServer {
  /** The front end that the user is logged in to, and its redirect URI, where nobody listens. */
  private static final String FRONT_END = "chat";
  private static final String BACK = "http://127.0.0.1:1/back";
  /** The one audience that tokens are issued for; others are left at Spring's default. */
  private static final String UPSTREAM = "crm";

  public static void main(String[] arguments) {
    SpringApplication.run(AuthorizationServer.class, arguments);
  }

  @Bean
  UserDetailsService users() {
    return new InMemoryUserDetailsManager(
        User.withUsername("alice").password("{noop}alice").roles("USER").build());
  }

  @Bean
  RegisteredClientRepository clients(@Value("${governd.jwks}") String keys) {
    RegisteredClient frontEnd =
        RegisteredClient.withId(FRONT_END)
            .clientId(FRONT_END)
            .clientSecret("{noop}chat")
            .clientAuthenticationMethod(ClientAuthenticationMethod.CLIENT_SECRET_POST)
            .authorizationGrantType(AuthorizationGrantType.AUTHORIZATION_CODE)
            .redirectUri(BACK)
            .scopes(scopes -> scopes.addAll(Set.of(OidcScopes.OPENID, "read", "write")))
            .clientSettings(
                ClientSettings.builder()
                    .requireProofKey(false)
                    .requireAuthorizationConsent(false)
                    .build())
            .build();
    RegisteredClient governd =
        RegisteredClient.withId("governd")
            .clientId("governd")
            .clientAuthenticationMethod(ClientAuthenticationMethod.PRIVATE_KEY_JWT)
            .authorizationGrantType(AuthorizationGrantType.TOKEN_EXCHANGE)
            .authorizationGrantType(AuthorizationGrantType.CLIENT_CREDENTIALS)
            .scopes(scopes -> scopes.addAll(Set.of("read", "write")))
            .clientSettings(
                ClientSettings.builder()
                    .jwkSetUrl(keys)
                    .tokenEndpointAuthenticationSigningAlgorithm(SignatureAlgorithm.ES256)
                    .build())
            .build();
    return new InMemoryRegisteredClientRepository(frontEnd, governd);
  }

  /**
   * Makes the front end's access tokens those of RFC 9068, and says for whom tokens are. That of
   * governd's has Spring's own form, where the scope is a list.
   */
  @Bean
  OAuth2TokenCustomizer<JwtEncodingContext> tokens() {
    return context -> {
      if (!OAuth2TokenType.ACCESS_TOKEN.equals(context.getTokenType())) {
        return;
      }
      String client = context.getRegisteredClient().getClientId();
      context.getJwsHeader().type("at+jwt");
      context.getClaims().claim("client_id", client);
      if (client.equals(FRONT_END)) {
        context.getClaims().audience(List.of("governd"));
        context.getClaims().claim("scope", String.join(" ", context.getAuthorizedScopes()));
      } else if (asked(context).contains(UPSTREAM)) {
        context.getClaims().audience(List.of(UPSTREAM));
      }
    };
  }

  private static Set<String> asked(JwtEncodingContext context) {
    Set<String> targets = new LinkedHashSet<>();
    if (context.getAuthorizationGrant() instanceof OAuth2TokenExchangeAuthenticationToken asked) {
      targets.addAll(asked.getAudiences());
      targets.addAll(asked.getResources());
    }
    return targets;
  }
}
