<?php
// Logins of Oro's back office: classes with the real names, which write what the real ones write (Oro 4.2 to 7.x).

namespace Oro {
    class Written { public function __construct(public array $data) {}
        public function __serialize(): array { return $this->data; }
        public function __unserialize(array $data): void { $this->data = $data; } }
    class Own implements \Serializable { public function __construct(public array $data) {}
        public function serialize() { return serialize($this->data); }
        public function unserialize($text) { $this->data = unserialize($text); } }
}
namespace Oro\Bundle\UserBundle\Entity {
    if (getenv('ORO_ENTITIES') === 'serializable') { class User extends \Oro\Own {} class Role extends \Oro\Own {} }
    else { class User extends \Oro\Written {} class Role extends \Oro\Written {} }
}
namespace Oro\Bundle\OrganizationBundle\Entity {
    if (getenv('ORO_ENTITIES') === 'serializable') { class Organization extends \Oro\Own {} }
    else { class Organization extends \Oro\Written {} }
}
namespace Proxies\__CG__\Oro\Bundle\UserBundle\Entity { class User extends \Oro\Bundle\UserBundle\Entity\User {} }
namespace Proxies\__CG__\Oro\Bundle\OrganizationBundle\Entity { class Organization extends \Oro\Bundle\OrganizationBundle\Entity\Organization {} }
namespace Oro\Bundle\CustomerBundle\Entity { class CustomerUser extends \Oro\Written {} }
namespace Proxies\__CG__\Oro\Bundle\CustomerBundle\Entity { class CustomerUser extends \Oro\Written {} }
namespace Oro\Bundle\SecurityBundle\Model { class Role { public function __construct(private string $role) {} } }
namespace Oro\Bundle\SecurityBundle\Authentication\Token {
    class UsernamePasswordOrganizationToken extends \Oro\Written {}
    class OrganizationRememberMeToken extends \Oro\Written {}
}
namespace Oro\Bundle\UserBundle\Security { class ImpersonationUsernamePasswordOrganizationToken extends \Oro\Written {} }
namespace Oro\Bundle\SSOBundle\Security { class OAuthToken extends \Oro\Written {} }
namespace Oro\Bundle\CustomerBundle\Security\Token { class AnonymousCustomerUserToken extends \Oro\Written {} }
namespace Symfony\Component\Security\Core\Authentication\Token { class SwitchUserToken extends \Oro\Written {} }
namespace Symfony\Component\Security\Core\Exception { class BadCredentialsException extends \Oro\Written {} }
namespace Scheb\TwoFactorBundle\Security\Authentication\Token { class TwoFactorToken extends \Oro\Written {} }
namespace Oro\Bundle\SecurityProBundle\Tokens {
    class ProUsernamePasswordOrganizationToken extends \Oro\Bundle\SecurityBundle\Authentication\Token\UsernamePasswordOrganizationToken {}
    class ProOrganizationRememberMeToken extends \Oro\Bundle\SecurityBundle\Authentication\Token\OrganizationRememberMeToken {}
    class ProOAuthToken extends \Oro\Bundle\SSOBundle\Security\OAuthToken {}
}
namespace Oro\Bundle\UserProBundle\Security { class TwoFactorToken extends \Oro\Written {} }
namespace Hslavich\OneloginSamlBundle\Security\Http\Authenticator\Token { class SamlToken extends \Oro\Written {} }
namespace Nbgrp\OneloginSamlBundle\Security\Http\Authenticator\Token { class SamlToken extends \Oro\Written {} }
namespace Symfony\Component\Security\Http\Authenticator\Token { class PostAuthenticationToken extends \Oro\Written {} }
namespace Acme { class SamlToken extends \Oro\Written {} class Admin extends \Oro\Written {} }

namespace Oro {
    use Oro\Bundle\CustomerBundle\Entity\CustomerUser;
    use Oro\Bundle\OrganizationBundle\Entity\Organization;
    use Oro\Bundle\SecurityBundle\Authentication\Token\OrganizationRememberMeToken;
    use Oro\Bundle\SecurityBundle\Authentication\Token\UsernamePasswordOrganizationToken;
    use Oro\Bundle\SecurityBundle\Model\Role as RoleModel;
    use Oro\Bundle\SecurityProBundle\Tokens\ProOAuthToken;
    use Oro\Bundle\SecurityProBundle\Tokens\ProOrganizationRememberMeToken;
    use Oro\Bundle\SecurityProBundle\Tokens\ProUsernamePasswordOrganizationToken;
    use Oro\Bundle\SSOBundle\Security\OAuthToken;
    use Oro\Bundle\UserBundle\Entity\Role;
    use Oro\Bundle\UserBundle\Entity\User;
    use Oro\Bundle\UserBundle\Security\ImpersonationUsernamePasswordOrganizationToken;

    function written_user(array $change = []): array
    {
        return array_replace(['$2y$13$hash-of-anna', 'salt', 'anna', true, null, 7], $change);
    }
    // Symfony's AbstractToken; $length 4 is that of Symfony 7.3 and later, $second holds the roles in 4.4.
    function state(?object $user, array $roles = ['ROLE_MANAGER'], $second = null, bool $authenticated = true, int $length = 5, array $attributes = ['k' => 'v']): array
    {
        return array_slice([$user, $authenticated, $second, $attributes, $roles], 0, $length);
    }
    // Oro 5.0 and later: the token's parts three times, with roles, with the organisation, alone.
    function parts(array $parent, ?object $organization, array $roles): array
    {
        return [[$roles, $parent], [$organization, $parent], $parent];
    }
    function session(?object $token, array $more = []): array
    {
        $attributes = ['_security.last_username' => 'anna', '_csrf/https-x' => 'token'] + $more;
        if ($token !== null) $attributes['_security_main'] = serialize($token);
        return ['_sf2_attributes' => $attributes, '_symfony_flashes' => [], '_sf2_meta' => ['u' => 1768472430, 'c' => 1768470000, 'l' => 0]];
    }

    function sessions(): array
    {
        $anna = new User(written_user());
        $acme = new Organization(['Acme, Inc', true, 3]);
        $role = new Role([5, 'ROLE_MANAGER', 'Manager']);
        $token = fn (array $state, $organization = null, array $roles = []) =>
            new UsernamePasswordOrganizationToken(parts([null, 'main', $state], $organization ?? $acme, $roles ?: [$role]));
        $proxy = new \Proxies\__CG__\Oro\Bundle\UserBundle\Entity\User(written_user());
        $bob = new User(written_user([2 => 'bob', 5 => 8]));
        $customer = new CustomerUser(written_user([2 => 'shopper@example.com']));
        $original = $token(state($bob));
        $oauth = ['access', ['id_token' => 'x', 'scope' => [['a', true, null, [], []]]], 'refresh', 3600, 1768470000, null, 'google', state($anna)];
        $claims = ['email' => ['anna@example.com'], 'groups' => ['staff', 'sales']];
        return [
            'oro 4.2' => session(new UsernamePasswordOrganizationToken([$acme, [null, 'main', state($anna, second: [$role])]])),
            'oro 4.2 remembered' => session(new OrganizationRememberMeToken([$acme, ['secret', 'main', state($anna, second: [$role])]])),
            'oro 5.0' => session($token(state($anna))),
            'oro 7.1' => session($token(state($anna, length: 4), null, [$role, new RoleModel('ROLE_MODEL')])),
            'oro enterprise' => session($token(state($anna), null, [new Role([5, 'ROLE_MANAGER', 'Manager', new Organization(['Other', true, 9])])])),
            'oro remembered' => session(new OrganizationRememberMeToken(parts(['secret', 'main', state($anna)], $acme, [$role]))),
            'oro impersonated' => session(new ImpersonationUsernamePasswordOrganizationToken(parts([null, 'main', state($anna)], $acme, [$role]))),
            'oro single sign-on' => session(new OAuthToken(parts($oauth, $acme, [$role]))),
            'oro enterprise token' => session(new ProUsernamePasswordOrganizationToken(parts([null, 'main', state($anna)], $acme, [$role]))),
            'oro enterprise remembered' => session(new ProOrganizationRememberMeToken(parts(['secret', 'main', state($anna)], $acme, [$role]))),
            'oro enterprise single sign-on' => session(new ProOAuthToken(parts($oauth, $acme, [$role]))),
            'oro ldap' => session(new UsernamePasswordOrganizationToken(parts(['password', 'oro_ldap', state(new User(written_user([0 => null])))], $acme, [$role]))),
            'oro proxies' => session($token(state($proxy), new \Proxies\__CG__\Oro\Bundle\OrganizationBundle\Entity\Organization(['Acme, Inc', true, 3]))),
            'oro without organization' => session(new UsernamePasswordOrganizationToken([[[$role], [null, 'main', state($anna)]], [null, [null, 'main', state($anna)]]])),
            'oro attributes with another user' => session($token(state($anna, attributes: ['by' => $bob, 'state' => state($bob)]))),
            'oro copies of one user' => session(new UsernamePasswordOrganizationToken([[[$role], [null, 'main', state($anna)]], [$acme, [null, 'main', state(clone $anna)]]])),
            'oro switched' => session(new \Symfony\Component\Security\Core\Authentication\Token\SwitchUserToken([$original, '/from', [null, 'main', state($anna)]])),
            'oro saml' => session(new \Acme\SamlToken(parts(['main', state($anna)], $acme, [$role]))),
            'oro saml by hslavich' => session(new \Hslavich\OneloginSamlBundle\Security\Http\Authenticator\Token\SamlToken(['main', state($anna, attributes: $claims)])),
            'oro saml by nbgrp' => session(new \Nbgrp\OneloginSamlBundle\Security\Http\Authenticator\Token\SamlToken(['main', state($anna, attributes: $claims)])),
            'oro own authenticator' => session(new \Symfony\Component\Security\Http\Authenticator\Token\PostAuthenticationToken(['main', state($anna)])),
            'oro own users' => session($token(state(new \Acme\Admin(written_user())))),
            'oro two users' => session(new UsernamePasswordOrganizationToken([[[$role], [null, 'main', state($anna)]], [$acme, [null, 'main', state($bob)]]])),
            'oro two organizations' => session(new UsernamePasswordOrganizationToken([[$acme, state($anna)], [new Organization(['Other', true, 9]), state($anna)]])),
            'oro disabled' => session($token(state(new User(written_user([3 => false]))))),
            'oro never stored' => session($token(state(new User(written_user([5 => null]))))),
            'oro without password' => session($token(state(new User(written_user([0 => null]))))),
            'oro without name' => session($token(state(new User(written_user([2 => '']))))),
            'oro name not UTF-8' => session($token(state(new User(written_user([2 => "ann\xe4"]))))),
            'oro name in Ukrainian' => session($token(state(new User(written_user([2 => 'Ганна']))))),
            'oro not authenticated' => session($token(state($anna, authenticated: false))),
            'oro second factor' => session(new \Scheb\TwoFactorBundle\Security\Authentication\Token\TwoFactorToken([$token(state($anna)), null, 'main', [], ['totp'], []])),
            'oro second factor of scheb 5' => session(new \Scheb\TwoFactorBundle\Security\Authentication\Token\TwoFactorToken([serialize($token(state($anna))), null, 'main', [], ['totp'], []])),
            'oro enterprise second factor' => session(new \Oro\Bundle\UserProBundle\Security\TwoFactorToken([$token(state($anna)), [null, state(null, [])]])),
            'oro customer' => session($token(state($customer))),
            'oro customer proxy' => session($token(state(new \Proxies\__CG__\Oro\Bundle\CustomerBundle\Entity\CustomerUser(written_user())))),
            'oro customer visitor' => session(new \Oro\Bundle\CustomerBundle\Security\Token\AnonymousCustomerUserToken([null, state(null)])),
            'oro user and customer' => session(new UsernamePasswordOrganizationToken([[[$role], state($anna)], [$acme, state($customer)]])),
            'oro failed login' => session(null, ['_security.last_error' => new \Symfony\Component\Security\Core\Exception\BadCredentialsException([$token(state($anna)), 'Bad credentials.'])]),
            'oro logged out' => session(null),
            'oro storefront' => session(null, ['_security_customer_identity' => serialize($token(state($anna)))]),
            'oro other context' => session(null, ['_security_backoffice' => serialize($token(state($anna)))]),
            'oro token no object' => ['_sf2_attributes' => ['_security_main' => serialize('anna')]],
            'oro token no string' => ['_sf2_attributes' => ['_security_main' => $token(state($anna))]],
            'oro token cut' => ['_sf2_attributes' => ['_security_main' => substr(serialize($token(state($anna))), 0, -1)]],
            'oro token and more' => ['_sf2_attributes' => ['_security_main' => serialize($token(state($anna))) . 'N;']],
            'oro users in a list' => session(new UsernamePasswordOrganizationToken([$anna, 'main', [$anna]])),
        ];
    }
}
